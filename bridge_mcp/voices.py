"""Who hears voice messages and who speaks answers, by the config; loaded when somebody does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from bridge_mcp.config import Config
from bridge_mcp.models.registry import Models
from bridge_mcp.ports import ChannelTraits, Clock, Files, Speaker, Store, Transcriber

__all__ = ["Voices", "make_voices"]


class Voices(Struct, frozen=True):
    """None: nobody."""

    transcriber: Transcriber | None = None
    speaker: Speaker | None = None

    def lanes(
        self, config: Config, store: Store, files: Files | None, clock: Clock, *, traits: Mapping[str, ChannelTraits]
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        """The engine's lane that speaks, by what it does."""
        if self.speaker is None or files is None:
            return {}
        from bridge_mcp.engine.spoken_answers import SpokenAnswers

        speaks = SpokenAnswers(store, self.speaker, files, config.rules, clock, traits=traits)
        return {"Speaking answers": speaks.run}

    async def close(self) -> None:
        """Close the connections."""
        for voice in (self.transcriber, self.speaker):
            if voice is not None:
                await voice.close()


def make_voices(config: Config, models: Models) -> Voices:
    """Both, as their sections say."""
    return Voices(make_transcriber(config, models), make_speaker(config))


def make_transcriber(config: Config, models: Models) -> Transcriber | None:
    """Who turns voice messages into text; None for nobody."""
    if config.transcription is None:
        return None
    if config.transcription.by_litellm:
        from bridge_mcp.models.litellm_transcription import LitellmTranscriber

        return LitellmTranscriber(config.transcription, models.litellm)
    from bridge_mcp.models.transcription import OpenAITranscriber

    return OpenAITranscriber(config.transcription)


def make_speaker(config: Config) -> Speaker | None:
    """Who speaks answers; None for nobody."""
    if config.speech is None:
        return None
    from bridge_mcp.models.speech import OpenAISpeaker

    return OpenAISpeaker(config.speech)
