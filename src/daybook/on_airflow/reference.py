"""Which attempt a task and its trigger are about: what travels between worker and triggerer in Airflow's database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from daybook.contract import keys
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.settings import Settings
from daybook.pods import GONE, Ending
from daybook.storage import RunRecord, record_of
from daybook.workspaces import Workspace


@dataclass(frozen=True)
class RunReference:
    """An attempt of a run, and its pod.

    Attributes:
        workspace: by name.
        run_id: the run.
        attempt: which; 0 while that is not decided.
        pod_uid: of the pod that was made for it; another pod of the same name is not it.
        also_retried: reasons that this notebook's entry wants retried.
        disruption: why Kubernetes takes the pod away (state, reason, message), as long as it was still there to ask.
        credentials_due: when the pod's credentials are to be renewed, ISO 8601; None where there is nothing to renew.
        own_spark: pod and UID of the Spark server that is this attempt's own.
        spark_credentials: session and Secret of the credentials of its Spark server, where they are to be renewed.
    """

    workspace: str
    run_id: str
    attempt: int
    pod_uid: str | None = None
    also_retried: tuple[str, ...] = ()
    disruption: tuple[str, str, str] | None = None
    credentials_due: str | None = None
    own_spark: tuple[str, str] | None = None
    spark_credentials: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """The document `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RunReference:
        """Reads what `to_json` wrote; JSON knows no tuples."""
        pairs = {name: document.get(name) for name in ("own_spark", "spark_credentials")}
        disruption = document.get("disruption")
        return cls(
            workspace=document["workspace"],
            run_id=document["run_id"],
            attempt=document["attempt"],
            pod_uid=document.get("pod_uid"),
            also_retried=tuple(document.get("also_retried", ())),
            disruption=tuple(disruption) if disruption else None,
            credentials_due=document.get("credentials_due"),
            **{name: (pair[0], pair[1]) if pair else None for name, pair in pairs.items()},
        )

    @property
    def spark_annotations(self) -> dict[str, str]:
        """What its pod keeps of its Spark server, for a task that comes back and knows the pod alone."""
        pairs = {
            keys.SPARK_OWN_ANNOTATION: self.own_spark,
            keys.SPARK_CREDENTIALS_ANNOTATION: self.spark_credentials,
        }
        return {name: "/".join(pair) for name, pair in pairs.items() if pair is not None}

    def with_spark_of(self, annotations: Mapping[str, str]) -> RunReference:
        """With the Spark server that `spark_annotations` wrote; a pod of an earlier version tells of none."""
        return replace(
            self,
            own_spark=_pair(annotations.get(keys.SPARK_OWN_ANNOTATION)),
            spark_credentials=_pair(annotations.get(keys.SPARK_CREDENTIALS_ANNOTATION)),
        )

    @property
    def pod_name(self) -> str:
        """The name of the attempt's pod."""
        return keys.pod_name(self.run_id, self.attempt)

    @property
    def ending_when_gone(self) -> Ending:
        """What to seal with once the pod is gone."""
        if self.disruption is None:
            return GONE
        state, reason, message = self.disruption
        return Ending(State(state), Reason(reason), message)

    def resolve(self, settings: Settings | None = None) -> tuple[Workspace, RunRecord]:
        """The workspace as it is now, and the run's record in it.

        Raises:
            InvalidRequest: there is no such workspace any more.
            InvalidSettings: Daybook is not set up here.
            StoreFailed: the bucket cannot be opened.
        """
        settings = settings or Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(self.workspace)
        return workspace, record_of(settings.open_bucket(workspace), self.run_id)


def _pair(text: str | None) -> tuple[str, str] | None:
    """The two that a slash is between, which no name of Kubernetes' has."""
    first, _, second = (text or "").partition("/")
    return (first, second) if first and second else None
