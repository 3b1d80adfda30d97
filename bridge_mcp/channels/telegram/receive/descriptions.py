"""Contents of a message beside its text and files (locations, contacts, polls, ...), in words for people and models.

https://core.telegram.org/bots/api#message. Service messages (who joined, what was pinned) are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from telegram import Message

__all__ = ["in_words", "unknown_kinds", "with_words"]


def in_words(message: Message) -> str:
    """The contents beside text and files; "" for none."""
    for describe in WORDS:
        if words := describe(message):
            return words
    return ""


def with_words(message: Message, text: str) -> str:
    """The text of a message, with its other contents where the text is only their caption."""
    if text and message.paid_media is not None:
        return f"{text}\n(paid media)"
    return text or in_words(message)


def sticker_words(message: Message) -> str:
    return (message.sticker.emoji or "") if message.sticker else ""


def place(message: Message) -> str:
    """A venue or location; a live location with how long it is shared, unless that has ended."""
    if (venue := message.venue) is not None:
        where = venue.location
        return f"Place: {venue.title}, {venue.address} ({where.latitude:.6f}, {where.longitude:.6f})"
    if (spot := message.location) is not None:
        live = "Live location" if spot.live_period else "Location"
        return f"{live}: {spot.latitude:.6f}, {spot.longitude:.6f}"
    return ""


def contact(message: Message) -> str:
    if (who := message.contact) is None:
        return ""
    return f"Contact: {' '.join(filter(None, (who.first_name, who.last_name)))}, {who.phone_number}"


def dice(message: Message) -> str:
    return f"{message.dice.emoji} {message.dice.value}" if message.dice else ""


def poll(message: Message) -> str:
    if (content := message.poll) is None:
        return ""
    return "\n".join([f"Poll: {content.question}", *(f"- {option.text}" for option in content.options)])


def checklist(message: Message) -> str:
    if (tasks_list := message.checklist) is not None:
        tasks = (f"[{'x' if task.completion_date else ' '}] {task.text}" for task in tasks_list.tasks)
        return "\n".join([f"Checklist: {tasks_list.title}", *tasks])
    if (added := message.checklist_tasks_added) is not None:
        return "\n".join(["Added to a checklist:", *(f"[ ] {task.text}" for task in added.tasks)])
    if (done := message.checklist_tasks_done) is not None:
        ticked = ", ".join(map(str, done.marked_as_done_task_ids or ()))
        opened = ", ".join(map(str, done.marked_as_not_done_task_ids or ()))
        changes = [f"done: {ticked}" if ticked else "", f"not done: {opened}" if opened else ""]
        return f"(tasks of a checklist by their numbers: {'; '.join(filter(None, changes)) or 'changed'})"
    return ""


def shared(message: Message) -> str:
    """Users or a chat that somebody picked for the bot, or the data that a web app sent."""
    if (people := message.users_shared) is not None:
        names = (f"{user.first_name or 'somebody'} (id {user.user_id})" for user in people.users)
        return f"Shared users: {', '.join(names)}"
    if (chat := message.chat_shared) is not None:
        return f"Shared chat: {chat.title or 'without a title'} (id {chat.chat_id})"
    if (data := message.web_app_data) is not None:
        return f"From the web app behind “{data.button_text}”: {data.data}"
    return ""


def gifts(message: Message) -> str:
    if (gift := message.gift) is not None:
        return f"(a gift{f': {gift.text}' if gift.text else ''})"
    if message.unique_gift is not None:
        return "(a gift)"
    if (paid := message.successful_payment) is not None:
        return f"(a payment: {paid.total_amount} {paid.currency} in its smallest units)"
    if (back := message.refunded_payment) is not None:
        return f"(a payment was refunded: {back.total_amount} {back.currency} in its smallest units)"
    if (near := message.proximity_alert_triggered) is not None:
        return f"({near.traveler.full_name} is within {near.distance} m of {near.watcher.full_name})"
    return ""


def titled(message: Message) -> str:
    if message.game is not None:
        return f"Game: {message.game.title}"
    return f"Invoice: {message.invoice.title}" if message.invoice is not None else ""


def other(message: Message) -> str:
    """Contents that the bridge cannot use (games, invoices, ...), named so that their sender gets an answer."""
    for content, words in (
        (message.story, "a story"),
        (message.paid_media, "paid media"),
        (message.giveaway, "a giveaway"),
        (message.giveaway_winners, "the winners of a giveaway"),
        (message.giveaway_completed, "a giveaway ended"),
        (message.suggested_post_approved, "a suggested post was approved"),
        (message.suggested_post_approval_failed, "the approval of a suggested post failed"),
        (message.suggested_post_declined, "a suggested post was declined"),
        (message.suggested_post_paid, "a suggested post was paid"),
        (message.suggested_post_refunded, "the payment of a suggested post was refunded"),
        (message.passport_data, "passport data, which this bridge does not read"),
    ):
        if content is not None:
            return f"({words})"
    return ""


WORDS: tuple[Callable[[Message], str], ...] = (
    sticker_words, place, contact, dice, poll, checklist, shared, gifts, titled, other,
)  # fmt: skip


def unknown_kinds(message: Message) -> str:
    """The names of fields that this version does not know, where the message has nothing else; "" for none."""
    names = ", ".join(sorted(message.api_kwargs))
    return f"(a kind of message that this bridge does not know: {names})" if names else ""
