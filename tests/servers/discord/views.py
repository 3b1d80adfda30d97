"""Objects of the API as JSON: users, channels, guilds, messages."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.servers.discord.world import DM, PERMISSIONS, TEXT, THREAD, Guild, Object, Person, Place, Stored, World

__all__ = ["attachment", "channel", "guild", "instant", "message", "user"]

ALL = sum(PERMISSIONS.values())


def instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def user(person: Person) -> Object:
    return {
        "id": str(person.id),
        "username": person.name.lower(),
        "global_name": None if person.bot else person.name,
        "discriminator": "0000" if person.bot else "0",
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
    }


def channel(world: World, place: Place) -> Object:
    """A channel; https://docs.discord.com/developers/resources/channel#channel-object."""
    shown: Object = {"id": str(place.id), "type": place.type, "last_message_id": str(place.last or 0), "flags": 0}
    if place.type == DM:
        return shown | {"recipients": [user(person) for person in place.people]}
    assert place.guild is not None
    shown |= {"guild_id": str(place.guild.id), "name": place.name, "parent_id": None, "nsfw": False}
    if place.type == THREAD:
        assert place.parent is not None
        shown["parent_id"] = str(place.parent.id)
        shown["owner_id"] = str(world.bot.id)
        shown |= {"message_count": len(place.messages), "member_count": 2, "rate_limit_per_user": 0}
        shown["thread_metadata"] = {
            "archived": place.archived,
            "locked": place.locked,
            "auto_archive_duration": 1440,
            "archive_timestamp": instant(world.now()),
        }
        return shown
    deny = sum(PERMISSIONS[name] for name in place.denied)
    overwrites = [{"id": str(world.bot.id), "type": 1, "allow": "0", "deny": str(deny)}] if deny else []
    return shown | {"position": 0, "topic": None, "permission_overwrites": overwrites, "rate_limit_per_user": 0}


def guild(world: World, of: Guild) -> Object:
    """The `GUILD_CREATE` of a bot without the members intent: of the members it alone is there."""
    everyone: Object = {
        "id": str(of.id),
        "name": "@everyone",
        "permissions": str(ALL),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    member: Object = {
        "user": user(world.bot),
        "roles": [],
        "joined_at": instant(world.now()),
        "deaf": False,
        "mute": False,
    }
    return {
        "id": str(of.id),
        "name": of.name,
        "owner_id": "1",
        "icon": None,
        "roles": [everyone],
        "emojis": [],
        "stickers": [],
        "features": [],
        "members": [member | {"flags": 0}],
        "member_count": 1 + len(world.people),
        "large": False,
        "unavailable": False,
        "channels": [channel(world, each) for each in of.places if each.type == TEXT and sees(each)],
        "threads": [channel(world, each) for each in of.places if each.type == THREAD and not each.archived],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "system_channel_flags": 0,
        "premium_progress_bar_enabled": False,
        "joined_at": instant(world.now()),
    }


def sees(place: Place) -> bool:
    return "VIEW_CHANNEL" not in place.denied


def attachment(world: World, base: str, of: Stored, index: int) -> Object:
    """An attachment; its address is signed, and holds for a day."""
    file = of.files[index]
    url = f"{base}/attachments/{of.place.id}/{file.id}/{file.name}?ex={'0' if file.expired else 'ffffffff'}&is=1&hm=ab"
    return {
        "id": str(file.id),
        "filename": file.name,
        "size": len(file.data),
        "content_type": file.mime,
        "url": url,
        "proxy_url": url,
        "flags": 0,
    }


def message(world: World, base: str, of: Stored, *, deep: bool = True) -> Object:
    """A message; https://docs.discord.com/developers/resources/message#message-object."""
    shown: Object = {
        "id": str(of.id),
        "channel_id": str(of.place.id),
        "author": user(of.author),
        "content": of.content,
        "timestamp": instant(of.at),
        "edited_timestamp": instant(of.edited) if of.edited else None,
        "tts": False,
        "mention_everyone": "everyone" in of.pings,
        "mentions": [user(world.people[each]) for each in of.mentions if each in world.people],
        "mention_roles": [],
        "attachments": [attachment(world, base, of, index) for index in range(len(of.files))],
        "embeds": of.embeds,
        "components": of.components,
        "pinned": False,
        "type": of.type,
        "flags": of.flags,
    }
    if of.reactions:
        shown["reactions"] = [
            {
                "count": len(who),
                "me": world.bot.id in who,
                "me_burst": False,
                "emoji": {"id": None, "name": emoji},
                "count_details": {"burst": 0, "normal": len(who)},
                "burst_colors": [],
            }
            for emoji, who in of.reactions.items()
            if who
        ]
    if of.forwarded:
        shown["message_reference"] = {"type": 1, "message_id": "1", "channel_id": "1"}
        snapshot: Object = {
            "type": 0,
            "content": of.forwarded,
            "embeds": [],
            "attachments": [],
            "timestamp": instant(of.at),
            "edited_timestamp": None,
            "flags": 0,
            "mentions": [],
            "mention_roles": [],
            "components": [],
        }
        shown["message_snapshots"] = [{"message": snapshot}]
    if of.reference:
        shown["message_reference"] = {"type": 0, "message_id": str(of.reference), "channel_id": str(of.place.id)}
        replied = of.place.messages.get(of.reference)
        if deep:
            shown["referenced_message"] = message(world, base, replied, deep=False) if replied else None
    if of.place.guild is not None:
        shown["guild_id"] = str(of.place.guild.id)
    return shown
