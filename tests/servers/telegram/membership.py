"""Who is in a chat, and what it means when that changes: for the list of members, for the bot, for later requests.

https://core.telegram.org/bots/api#chatmemberupdated. Knows the state.
"""

from __future__ import annotations

from tests.servers.telegram.incoming import Sending, post
from tests.servers.telegram.state import ChatState, Membership, MessageState, UserState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["block", "change", "member_wire", "migrate", "react"]

RIGHTS = (
    "can_be_edited is_anonymous can_manage_chat can_delete_messages can_manage_video_chats can_restrict_members "
    "can_promote_members can_change_info can_invite_users can_manage_topics can_post_stories "
    "can_edit_stories can_delete_stories"
).split()


def member_wire(user: UserState, status: Membership) -> Object:
    """A ChatMember."""
    found: Object = {"status": status, "user": user.wire()}
    if status == "creator":
        return found | {"is_anonymous": False}
    if status == "administrator":
        return found | {name: name.startswith("can_") and name != "can_be_edited" for name in RIGHTS}
    return found | {"until_date": 0} if status == "kicked" else found


def change(
    world: World, chat: ChatState, user: UserState, to: Membership, by: UserState, *, quiet: bool = False
) -> None:
    """Somebody comes, goes, or gets another rank. `quiet`: there is no message about it in the chat."""
    was = chat.members.get(user.id, "left")
    chat.members[user.id] = to
    if was == to:
        return
    about_bot = user.id == world.bot.id
    update: Object = {
        "chat": chat.wire(),
        "from": by.wire(),
        "date": int(world.clock.now()),
        "old_chat_member": member_wire(user, was),
        "new_chat_member": member_wire(user, to),
    }
    if about_bot:
        world.queue.push("my_chat_member", update)
    elif chat.members.get(world.bot.id) == "administrator":
        world.queue.push("chat_member", update)
    here = ("creator", "administrator", "member")
    if quiet or not chat.is_group or (was in here) == (to in here):
        return
    told = {"new_chat_members": [user.wire()]} if to in here else {"left_chat_member": user.wire()}
    post(world, chat, told, Sending(sender=by, service=True))


def block(world: World, user: UserState, blocked: bool) -> None:
    """A person blocks the bot in their private chat, or lets it in again."""
    if user.blocked == blocked:
        return
    user.blocked = blocked
    states: tuple[Membership, Membership] = ("member", "kicked") if blocked else ("kicked", "member")
    world.queue.push(
        "my_chat_member",
        {
            "chat": world.private(user).wire(),
            "from": user.wire(),
            "date": int(world.clock.now()),
            "old_chat_member": member_wire(world.bot, states[0]),
            "new_chat_member": member_wire(world.bot, states[1]),
        },
    )


def migrate(world: World, chat: ChatState, by: UserState) -> ChatState:
    """A group becomes a supergroup with another id; both sides get a message that names the other."""
    new = world.new_chat("supergroup", chat.title)
    new.members = dict(chat.members)
    post(world, chat, {"migrate_to_chat_id": new.id}, Sending(sender=by, service=True))
    chat.migrated_to = new.id
    post(world, new, {"migrate_from_chat_id": chat.id}, Sending(sender=by, service=True))
    return new


def react(world: World, message: MessageState, user: UserState, emoji: tuple[str, ...]) -> None:
    """A person reacts to a message, instead of how they did before. In groups only administrators hear of it."""
    before = message.reactions.get(user.id, [])
    message.reactions[user.id] = list(emoji)
    if not message.chat.person and message.chat.members.get(world.bot.id) != "administrator":
        return
    world.queue.push(
        "message_reaction",
        {
            "chat": message.chat.wire(),
            "message_id": message.id,
            "user": user.wire(),
            "date": int(world.clock.now()),
            "old_reaction": [{"type": "emoji", "emoji": one} for one in before],
            "new_reaction": [{"type": "emoji", "emoji": one} for one in emoji],
        },
    )
