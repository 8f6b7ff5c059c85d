"""A PostgreSQL and a Redis of our own, for machines where nobody has installed one.

`make run`, plain `manage.py` and the tests use them unless `DATABASE_URL` / `REDIS_URL` name servers. Production names
its own and needs nothing of this package. No Django in here: the addresses must exist before settings are read.

How it hangs together (files of `run_dir`):

- `lease`        every user holds a shared `flock` on it, from `acquire` to the end of its process. The kernel frees the
                 lock of a user that was killed, so there is nothing to count and nothing to go stale.
- `keeper.lock`  held by the keeper, the one process that owns the servers of this folder. It leaves when it gets the
                 exclusive lock on `lease`, and keeps that lock until the servers are gone: whoever arrives meanwhile
                 waits and then starts a new keeper, so nobody is handed a server that is about to stop.
- `start.lock`   held while somebody looks for a keeper or starts one, so that two who arrive together end with one.
- `wanted`       the servers that have been asked for; the keeper starts what is missing.
- `servers.json` what runs and its addresses (with passwords, so 0600). Written when a server is ready.
- `keeper.log`, `postgres.log`, `redis.log`  what they had to say since their last start.

The lease belongs to the open file, not to the process: a forked child shares it. A child that runs another program
(web, worker, simulator) is started by `start_child`, which hands the lease down and asks the kernel to end the child
when its parent dies. So servers live while any child lives, and a parent killed with -9 leaves nothing behind.

The death of a killed keeper reaches its servers by a Linux call (`PR_SET_PDEATHSIG`). Elsewhere a PostgreSQL that was
left behind is stopped by the next start, and a Redis stays until somebody stops it.

PostgreSQL refuses to run as root. Then both servers run as `nobody`, from a copy of the binaries and with their data
in a folder of the system's temporary directory, named in the file `home`: the project may be where only root may enter,
and no folder is opened for this. An ordinary user has everything in `run_dir`.
"""

from core.embedded.binaries import binary
from core.embedded.errors import EmbeddedError
from core.embedded.lease import Lease, acquire, ensure_environment, release, start_child
from core.embedded.places import remove, remove_if_unused

__all__ = [
    "EmbeddedError",
    "Lease",
    "acquire",
    "binary",
    "ensure_environment",
    "release",
    "remove",
    "remove_if_unused",
    "start_child",
]
