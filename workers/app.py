"""The Celery app: messages are hints, so they are acknowledged early and answered by nobody."""

from __future__ import annotations

from celery import Celery

from workers.broker import ANSWER_SECONDS, CONNECT_SECONDS

ENCODE = "encode"
MAINTENANCE = "maintenance"
QUEUES = (ENCODE, MAINTENANCE)
WORK_TASK = "scenesift.work"
COMPACT_TASK = "scenesift.compact"
CHORE_TASK = "scenesift.chore"

RECONNECTS = 20
"""How often a worker that lost Redis tries again, waiting 2, 4, 6 s and so on up to 32: 8 minutes.
"""


def create_app(url: str, archive: str) -> Celery:
    """The app on the Redis at `url`; `archive` keeps apart the archives that share one."""
    app = Celery("scenesift", broker=url, backend=None, set_as_current=False)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_queues={name: {"exchange": name, "routing_key": name} for name in QUEUES},
        task_default_queue=ENCODE,
        task_create_missing_queues=False,
        # Who is busy takes nothing. A limit on messages without acknowledgement would do the same,
        # but an acknowledgement that is lost with the connection would use it up for good.
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=0,
        worker_proc_alive_timeout=600.0,  # a child loads its model before it says that it is there
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=RECONNECTS,
        broker_transport_options={
            "global_keyprefix": f"{archive}:",
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "health_check_interval": 10,
        },
    )
    return app
