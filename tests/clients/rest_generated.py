"""Uses the client that openapi-python-client makes of /openapi/v2.json: logs in, adds a user, lists connections."""
import base64
import sys

from generated import AuthenticatedClient
from generated.api.default import add_user, get_connections, get_token, get_user_by_username
from generated.models import Account

base, home = sys.argv[1:]
basic = base64.b64encode(b"root:a-long-password").decode()
with AuthenticatedClient(base_url=base, token=basic, prefix="Basic") as client:
    token = get_token.sync(client=client)
with AuthenticatedClient(base_url=base, token=token.access_token) as client:
    user = Account.from_dict({"username": "bob", "password": "pw", "status": 1, "home_dir": home, "permissions": {"/": ["*"]}})
    added = add_user.sync(client=client, body=user)
    shown = get_user_by_username.sync("bob", client=client)
    sessions = get_connections.sync(client=client)
print(added.username, shown.home_dir, len(sessions))
