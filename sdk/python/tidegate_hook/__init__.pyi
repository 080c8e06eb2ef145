from . import logging

from .contract.imports import config as config
from .contract.imports import kv as kv
from .contract.imports import secrets as secrets
from .contract.imports import types as types
from .contract.imports.conversations import Conversation as Conversation
from .contract.imports.conversations import Prompt as Prompt
from .contract.imports.types import Account as Account
from .contract.imports.types import AccountDraft as AccountDraft
from .contract.imports.types import Connection as Connection
from .contract.imports.types import CredentialChange as CredentialChange
from .contract.imports.types import FileAction as FileAction
from .contract.imports.types import LoginAttempt as LoginAttempt
from .contract.imports.types import ObjectChange as ObjectChange
from .contract.imports.types import Session as Session
from .contract.imports.types import WebRequest as WebRequest
from .contract.results import Err as Err
from .contract.results import Ok as Ok
from .verdicts import Accept as Accept
from .verdicts import Allow as Allow
from .verdicts import Defer as Defer
from .verdicts import Deny as Deny
from .verdicts import HookFailure as HookFailure
from .verdicts import Reject as Reject
from .verdicts import Replace as Replace
from .verdicts import Unchanged as Unchanged
from .verdicts import Verify as Verify
from .verdicts import VerifyStored as VerifyStored

log = logging
