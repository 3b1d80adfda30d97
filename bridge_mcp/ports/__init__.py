"""What the engine needs of the world, as small Protocols. Each docstring is the contract that every adapter passes.

The store is one object with several faces (`Store`), because they share transactions. Capabilities are declared fields;
nobody probes. All methods are coroutines of one event loop, and none blocks it. Text is `str` without lone surrogates.
"""

from __future__ import annotations

from bridge_mcp.ports.access import Access, Claim, Claims, Clients, Grants, Pairing, PairingRequest, StoredClient
from bridge_mcp.ports.callers import Callers
from bridge_mcp.ports.channel_state import ChannelOffset, ChannelState, FirstMessage
from bridge_mcp.ports.channels import (
    Arrival,
    ButtonPress,
    Capabilities,
    Channel,
    ChannelHealth,
    ChannelTraits,
    Clock,
    Connected,
    Deleted,
    Edit,
    Form,
    Happening,
    Ignored,
    Inbox,
    Incoming,
    Moved,
    Named,
    Outgoing,
    OutgoingAction,
    Part,
    Reaction,
    TopicChange,
    Upload,
)
from bridge_mcp.ports.dispatch import Dispatcher, Driven, Drives
from bridge_mcp.ports.drafts import Draft, Drafts
from bridge_mcp.ports.face_sessions import FaceNote, FaceSession, FaceSessionKind, FaceSessions
from bridge_mcp.ports.files import KEPT, Files
from bridge_mcp.ports.forgetting import Forgetting, Forgotten, ToForget, Why
from bridge_mcp.ports.leases import Leases
from bridge_mcp.ports.logs import SHORT_TAIL, Agenda, Changes, EventPage, Feed, LogStore, Recorded
from bridge_mcp.ports.models import Capacity, Fetch, Model, ModelCall, ModelHealth, ModelReply, ModelRequest, OnText
from bridge_mcp.ports.reading import Approvals, History, Outbox, Traces
from bridge_mcp.ports.restoring import HeldBack, Restoring
from bridge_mcp.ports.rules import BotMode, ChannelRules, EventRules, GroupMode, Rules
from bridge_mcp.ports.speech import Speaker, Speech
from bridge_mcp.ports.spending import Spending
from bridge_mcp.ports.status import EngineStatus, Secrets, StatusName
from bridge_mcp.ports.store import Pulse, Store, StoreHealth
from bridge_mcp.ports.subscriptions import (
    EventSubscription,
    EventSubscriptions,
    SubscriptionLimit,
    SubscriptionLimits,
)
from bridge_mcp.ports.tools import (
    CallContext,
    Pins,
    ServerState,
    ServerStatus,
    Toolbox,
    ToolPins,
    ToolProgress,
    instructions_of,
)
from bridge_mcp.ports.transcription import Transcriber, Transcript
from bridge_mcp.ports.workers import WorkerInfo, Workers

__all__ = [
    "KEPT",
    "SHORT_TAIL",
    "Access",
    "Agenda",
    "Approvals",
    "Arrival",
    "BotMode",
    "ButtonPress",
    "CallContext",
    "Callers",
    "Capabilities",
    "Capacity",
    "Changes",
    "Channel",
    "ChannelHealth",
    "ChannelOffset",
    "ChannelRules",
    "ChannelState",
    "ChannelTraits",
    "Claim",
    "Claims",
    "Clients",
    "Clock",
    "Connected",
    "Deleted",
    "Dispatcher",
    "Draft",
    "Drafts",
    "Driven",
    "Drives",
    "Edit",
    "EngineStatus",
    "EventPage",
    "EventRules",
    "EventSubscription",
    "EventSubscriptions",
    "FaceNote",
    "FaceSession",
    "FaceSessionKind",
    "FaceSessions",
    "Feed",
    "Fetch",
    "Files",
    "FirstMessage",
    "Forgetting",
    "Forgotten",
    "Form",
    "Grants",
    "GroupMode",
    "Happening",
    "HeldBack",
    "History",
    "Ignored",
    "Inbox",
    "Incoming",
    "Leases",
    "LogStore",
    "Model",
    "ModelCall",
    "ModelHealth",
    "ModelReply",
    "ModelRequest",
    "Moved",
    "Named",
    "OnText",
    "Outbox",
    "Outgoing",
    "OutgoingAction",
    "Pairing",
    "PairingRequest",
    "Part",
    "Pins",
    "Pulse",
    "Reaction",
    "Recorded",
    "Restoring",
    "Rules",
    "Secrets",
    "ServerState",
    "ServerStatus",
    "Speaker",
    "Speech",
    "Spending",
    "StatusName",
    "Store",
    "StoreHealth",
    "StoredClient",
    "SubscriptionLimit",
    "SubscriptionLimits",
    "ToForget",
    "ToolPins",
    "ToolProgress",
    "Toolbox",
    "TopicChange",
    "Traces",
    "Transcriber",
    "Transcript",
    "Upload",
    "Why",
    "WorkerInfo",
    "Workers",
    "instructions_of",
]
