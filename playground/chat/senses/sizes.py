"""How large the pictures and sounds of a conversation are, by their headers: nothing is decoded."""

from __future__ import annotations

from collections.abc import Sequence

from playground.chat.senses.sounds import sound_info
from playground.protocol import Message


def sizes_of(messages: Sequence[Message]) -> tuple[list[tuple[int, int]], list[float]]:
    """Sides of the pictures in pixels, and seconds of the sounds.

    Raises:
        InvalidRequest: one cannot be read, or is over the limits.
    """
    from playground.images.pictures import picture_size

    pictures = [picture_size(data) for message in messages for data in message.images]
    return pictures, [sound_info(data).seconds for message in messages for data in message.audio]
