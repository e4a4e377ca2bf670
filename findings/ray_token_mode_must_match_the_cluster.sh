#!/bin/sh
# A driver of Ray sends its token only where its own mode says so, and no call tells which mode a cluster has.
#
# Python 3.11, ray 2.60.0. A cluster that was started with RAY_AUTH_MODE=token answers nobody without the token, but a driver
# that has the token in RAY_AUTH_TOKEN (or ~/.ray/auth_token) and no RAY_AUTH_MODE does not send it: `ray.init` tries for
# twenty seconds, prints "Unauthenticated" on the way and ends with "Failed to connect". So the mode must be found out and
# set before `import ray`, which reads it. `ray._raylet.GcsClient` tells in a second: AuthenticationError, or an answer.
#
# Seen: with the token alone AuthenticationError; with the mode too, a client and a task that returns.
set -eu
folder=$(mktemp -d)
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
cd "$folder"
cat > nodes.py <<'PYTHON'
import sys

from ray.cluster_utils import Cluster

nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
with open("address", "w") as file:
    file.write(nodes.address)
sys.stdin.read()
nodes.shutdown()
PYTHON
cat > join.py <<'PYTHON'
import os
import sys

import ray
from ray._raylet import GcsClient

try:
    GcsClient(address=sys.argv[1])
except ray.exceptions.AuthenticationError:
    print(f"mode {os.environ.get('RAY_AUTH_MODE')}: AuthenticationError")
    sys.exit(3)
ray.init(sys.argv[1], log_to_driver=False, logging_level="CRITICAL")
print(f"mode {os.environ.get('RAY_AUTH_MODE')}: a task returns {ray.get(ray.remote(lambda: 5).remote(), timeout=60)}")
PYTHON
export HOME="$folder" RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_TOKEN=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
mkfifo stop
RAY_AUTH_MODE=token env/bin/python nodes.py < stop > nodes.log 2>&1 &
exec 3> stop
trap 'exec 3>&-; wait; rm -rf "$folder"' EXIT
while [ ! -s address ]; do sleep 0.2; done
code=0
env/bin/python join.py "$(cat address)" 2> without.log || code=$?
test "$code" = 3
RAY_AUTH_MODE=token env/bin/python join.py "$(cat address)" 2> with.log
