"""A pod template adds what the tables name; everything else is refused by its path, all at once."""

from textwrap import dedent

import pytest
import yaml
from pydantic import ValidationError

from daybook.contract.errors import InvalidSettings
from daybook.workspaces import PodSettings, load_workspaces
from daybook.workspaces.pod_template import template_faults

WEAKENING = """
metadata:
  namespace: kube-system
  name: mine
  finalizers: [x/y]
  ownerReferences: []
spec:
  hostNetwork: true
  hostPID: true
  hostIPC: true
  hostUsers: true
  hostname: x
  shareProcessNamespace: true
  serviceAccountName: admin
  serviceAccount: admin
  automountServiceAccountToken: true
  enableServiceLinks: true
  restartPolicy: Always
  activeDeadlineSeconds: 999999
  terminationGracePeriodSeconds: 0
  nodeName: node-1
  nodeSelector: {a: b}
  tolerations: []
  priorityClassName: system-node-critical
  runtimeClassName: none
  schedulerName: mine
  dnsPolicy: Default
  imagePullSecrets: []
  volumes: [{name: x, hostPath: {path: /}}]
  initContainers: []
  ephemeralContainers: []
  overhead: {}
  resources: {}
  resourceClaims: []
  readinessGates: []
  os: {name: windows}
  securityContext:
    runAsNonRoot: false
    runAsUser: 0
    runAsGroup: 0
    fsGroup: 0
    supplementalGroups: [0]
    sysctls: []
    seccompProfile: {type: Unconfined, localhostProfile: x}
    seLinuxOptions: {}
    appArmorProfile: {type: Unconfined}
    windowsOptions: {hostProcess: true}
  containers:
  - name: notebook
    image: evil
    imagePullPolicy: Always
    command: [sh]
    args: [-c]
    workingDir: /
    envFrom: []
    ports: []
    resources: {}
    resizePolicy: []
    restartPolicy: Always
    volumeMounts: []
    volumeDevices: []
    livenessProbe: {}
    readinessProbe: {}
    startupProbe: {}
    lifecycle: {}
    terminationMessagePath: /x
    stdin: true
    tty: true
    securityContext:
      privileged: true
      allowPrivilegeEscalation: true
      readOnlyRootFilesystem: false
      runAsNonRoot: false
      runAsUser: 0
      procMount: Unmasked
      capabilities: {add: [SYS_ADMIN], drop: []}
      seccompProfile: {type: Unconfined}
  - name: sidecar
status: {}
"""


def paths_of(text):
    return [path for path, _ in template_faults(yaml.safe_load(text))]


def leaves(prefix, names):
    return [f"{prefix}.{name}" for name in names.split()]


def test_everything_that_weakens_is_refused_by_name_at_once():
    spec = (
        "hostNetwork hostPID hostIPC hostUsers hostname shareProcessNamespace serviceAccountName serviceAccount "
        "automountServiceAccountToken enableServiceLinks restartPolicy activeDeadlineSeconds "
        "terminationGracePeriodSeconds nodeName nodeSelector tolerations priorityClassName runtimeClassName "
        "schedulerName dnsPolicy imagePullSecrets volumes initContainers ephemeralContainers overhead resources "
        "resourceClaims readinessGates os"
    )
    security = (
        "runAsNonRoot runAsUser runAsGroup fsGroup supplementalGroups sysctls seccompProfile.type "
        "seccompProfile.localhostProfile seLinuxOptions appArmorProfile windowsOptions"
    )
    container = (
        "image imagePullPolicy command args workingDir envFrom ports resources resizePolicy restartPolicy volumeMounts "
        "volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath stdin tty "
        "securityContext.privileged securityContext.allowPrivilegeEscalation securityContext.readOnlyRootFilesystem "
        "securityContext.runAsNonRoot securityContext.runAsUser securityContext.procMount "
        "securityContext.capabilities.add securityContext.capabilities.drop securityContext.seccompProfile.type"
    )
    assert paths_of(WEAKENING) == [
        *leaves("metadata", "namespace name finalizers ownerReferences"),
        *leaves("spec", spec),
        *leaves("spec.securityContext", security),
        *leaves("spec.containers[notebook]", container),
        "spec.containers[1]",
        "status",
    ]


def test_what_the_pod_is_anyway_may_be_said_again():
    assert not paths_of("""
        apiVersion: v1
        kind: Pod
        spec:
          restartPolicy: Never
          hostNetwork: false
          automountServiceAccountToken: false
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
          - name: notebook
            securityContext:
              allowPrivilegeEscalation: false
              readOnlyRootFilesystem: true
              capabilities: {drop: [ALL]}
    """)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("kind: Deployment", "kind", "must stay Pod"),
        ("spec: {hostNetwork: 0}", "spec.hostNetwork", "must stay false"),
        ("spec: {hostNetwork: null}", "spec.hostNetwork", "must stay false"),
        ("spec: x", "spec", "must be a mapping"),
        ("spec: {containers: x}", "spec.containers", "must be a list"),
        ("spec: {containers: [x]}", "spec.containers[0]", "one container"),
        ("spec: {containers: [{name: notebook}, {name: notebook}]}", "spec.containers[1]", "one container"),
        ("spec: {containers: [{name: base}]}", "spec.containers[0]", "'notebook'"),
        ("spec: {affinity: []}", "spec.affinity", "must be a mapping"),
        ("spec: {affinity: {nodeAffinity: []}}", "spec.affinity.nodeAffinity", "must be a mapping"),
        ("spec: {affinity: {nodeAfinity: {}}}", "spec.affinity.nodeAfinity", "may not be set"),
        ("spec: {dnsConfig: {nameservers: x}}", "spec.dnsConfig.nameservers", "must be a list"),
        ("spec: {volumes: []}", "spec.volumes", "`pod.volumes`"),
        ("spec: {initContainers: []}", "spec.initContainers", "one container"),
        ("metadata: {labels: []}", "metadata.labels", "must be a mapping"),
        ("metadata: {labels: {daybook.dev/run: x}}", "metadata.labels[daybook.dev/run]", "Daybook itself"),
        ("metadata: {labels: {app.kubernetes.io/name: x}}", "metadata.labels[app.kubernetes.io/name]", "itself"),
        ("metadata: {labels: {dag_id: x}}", "metadata.labels[dag_id]", "Airflow"),
        ("metadata: {labels: {a: 1}}", "metadata.labels[a]", "must be a text"),
        ("metadata: {labels: {a: 'b c'}}", "metadata.labels[a]", "must be a text"),
        ("metadata: {labels: {'a b': c}}", "metadata.labels[a b]", "must be a key"),
        ("metadata: {annotations: {daybook.dev/run: x}}", "metadata.annotations[daybook.dev/run]", "itself"),
        ("metadata: {annotations: {a: 1}}", "metadata.annotations[a]", "must be a text"),
        *(
            (f"metadata: {{annotations: {{{key}: x}}}}", f"metadata.annotations[{key}]", "how the node runs the pod")
            for key in (
                "container.apparmor.security.beta.kubernetes.io/notebook",
                "seccomp.security.alpha.kubernetes.io/pod",
                "cdi.k8s.io/gpu",
                "io.kubernetes.cri-o.Devices",
                "io.katacontainers.config.hypervisor.path",
                "org.systemd.property.DeviceAllow",
                "run.oci.handler",
                "userns-mode.crio.io",
                "devices.nri.io/container.notebook",
                "dev.gvisor.spec.mount.x.type",
                "kubernetes.io/config.source",
            )
        ),
    ],
)
def test_each_slip_is_named_with_the_way_out(text, path, message):
    ((found, said),) = template_faults(yaml.safe_load(text))
    assert found == path
    assert message in said


@pytest.mark.parametrize(
    ("variable", "place", "message"),
    [
        ("x", "", "must be a mapping"),
        ("{value: x}", ".name", "must be the name"),
        ("{name: 'a=b', value: x}", ".name", "must be the name"),
        ("{name: DAYBOOK_REQUEST, value: x}", ".name", "Daybook itself sets"),
        ("{name: DAYBOOK_SECRET_x, value: x}", ".name", "Daybook itself sets"),
        ("{name: SPARK_REMOTE, value: x}", ".name", "Daybook itself sets"),
        ("{name: HOME, value: /}", ".name", "Daybook itself sets"),
        ("{name: AWS_SECRET_ACCESS_KEY, value: x}", ".name", "belongs to the bucket"),
        ("{name: A, value: 1}", ".value", "must be a text"),
        ("{name: A, valu: x}", ".valu", "is not known"),
        ("{name: A, value: x, valueFrom: {fieldRef: {fieldPath: status.podIP}}}", ".valueFrom", "without a value"),
        ("{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}", ".valueFrom.secretKeyRef", "secret input"),
        ("{name: A, valueFrom: {fileKeyRef: {}}}", ".valueFrom.fileKeyRef", "is not allowed"),
        ("{name: A, valueFrom: x}", ".valueFrom", "must be one of"),
    ],
)
def test_a_variable_that_is_not_the_templates_to_set_is_refused(variable, place, message):
    text = f"spec: {{containers: [{{name: notebook, env: [{{name: OK, value: ''}}, {variable}]}}]}}"
    ((found, said),) = template_faults(yaml.safe_load(text))
    assert found == f"spec.containers[notebook].env[1]{place}"
    assert message in said


OWN = """
    metadata:
      labels: {team: eo, example.org/cost-centre: '12', kueue.x-k8s.io/queue-name: gpu, empty: ''}
      annotations: {owner: ada, example.org/note: any text, cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'}
"""


def test_labels_and_annotations_of_ones_own_may_be_added():
    assert not list(template_faults(yaml.safe_load(OWN), ["example.org"]))


def test_a_domain_that_the_workspace_does_not_name_is_refused_for_nobody_knows_what_acts_upon_it():
    assert paths_of(OWN) == ["metadata.labels[example.org/cost-centre]", "metadata.annotations[example.org/note]"]
    assert paths_of("metadata: {labels: {sub.example.org/x: y}}") == ["metadata.labels[sub.example.org/x]"]


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        *(
            (key, "add containers to it")
            for key in (
                "sidecar.istio.io/inject",
                "inject.istio.io/templates",
                "istio.io/rev",
                "linkerd.io/inject",
                "config.linkerd.io/skip-outbound-ports",
                "dapr.io/enabled",
                "kuma.io/sidecar-injection",
                "appmesh.k8s.aws/sidecarInjectorWebhook",
                "instrumentation.opentelemetry.io/inject-python",
                "gke-gcsfuse/volumes",
            )
        ),
        *(
            (key, "the pod's network")
            for key in ("k8s.v1.cni.cncf.io/networks", "cni.projectcalico.org/allowedSourcePrefixes")
        ),
        *(
            (key, "how the node runs the pod")
            for key in (
                "container.apparmor.security.beta.kubernetes.io/notebook",
                "seccomp.security.alpha.kubernetes.io/pod",
                "openshift.io/required-scc",
                "pre.hook.backup.velero.io/command",
            )
        ),
    ],
)
def test_no_label_or_annotation_has_the_pod_changed_after_it_was_made(where, key, message):
    ((place, said),) = template_faults({"metadata": {where: {key: "true"}}}, [key.partition("/")[0]])
    assert place == f"metadata.{where}[{key}]"
    assert message in said


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("'spec.containers': []", "spec.containers"),
        ("'spec.hostNetwork': false", "spec.hostNetwork"),
        ("'metadata.labels': {a: b}", "metadata.labels"),
        ("spec: {'affinity.nodeAffinity': {}}", "spec.affinity.nodeAffinity"),
        ("'spec.containers[notebook].env': []", "spec.containers[notebook].env"),
        ("spec: {'containers[notebook]': {}}", "spec.containers[notebook]"),
        (
            "spec: {containers: [{name: notebook, 'securityContext.privileged': false}]}",
            "spec.containers[notebook].securityContext.privileged",
        ),
    ],
)
def test_a_path_written_as_one_key_is_refused_and_not_left_out_in_silence(text, path):
    ((found, said),) = template_faults(yaml.safe_load(text))
    assert found == path
    assert "is no key that Kubernetes knows" in said


def test_variables_may_come_from_fields_resources_and_config_maps():
    assert not paths_of("""
        spec:
          containers:
          - name: notebook
            env:
            - {name: A, value: x}
            - {name: B, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
            - {name: D, valueFrom: {configMapKeyRef: {name: c, key: k}}}
    """)


def faults_of(path):
    with pytest.raises(InvalidSettings) as caught:
        load_workspaces(path)
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def write(tmp_path):
    """Writes `workspaces.yaml` whose one workspace has these pod settings, and other files beside it."""

    def write(pod, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(dedent(content))
        path = tmp_path / "workspaces.yaml"
        path.write_text(f"workspaces: [{{name: team, bucket: x, members: ['*'], pod: {pod}}}]")
        return path

    return write


def test_a_template_is_checked_when_the_workspaces_are_read(write):
    found = faults_of(write("{template: {spec: {hostPID: true, containers: [{name: notebook, command: [sh]}]}}}"))
    assert ["workspaces.0.pod.template.spec." in fault and "(workspace 'team')" in fault for fault in found] == [
        True
    ] * 2


def test_a_template_in_a_file_is_read_and_checked_the_same(write):
    path = write("{template_file: team.yaml}", team="metadata: {labels: {team: eo}}")
    (workspace,) = load_workspaces(path)
    assert workspace.pod.template == {"metadata": {"labels": {"team": "eo"}}}
    (found,) = faults_of(write("{template_file: team.yaml}", team="spec: {hostIPC: true}"))
    assert "pod.template.spec.hostIPC" in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../team.yaml", "must be a file beside workspaces.yaml"),
        ("a/../../team.yaml", "must be a file beside workspaces.yaml"),
        ("/etc/passwd", "must be a file beside workspaces.yaml"),
        ("link.yaml", "is a link that leads out"),
        ("none.yaml", "cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
        ("broken.yaml", "is not YAML"),
        ("twice.yaml", "stands there twice"),
        ("text.yaml", "must hold a pod"),
        ("dates.yaml", "pod.template"),
    ],
)
def test_a_template_file_that_cannot_be_used_is_refused(write, tmp_path, name, message):
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")
    files = {"broken": "a: [", "twice": "{a: 1, a: 2}", "text": "just text", "dates": "kind: 2026-11-26"}
    (found, *_) = faults_of(write(f"{{template_file: {name}}}", **files))
    assert message in found


def test_links_that_stay_in_the_folder_are_followed_as_in_a_mounted_config_map(tmp_path):
    (tmp_path / "..data_1").mkdir()
    (tmp_path / "..data").symlink_to("..data_1")
    for name, text in {
        "w.yaml": "workspaces: [{name: a, bucket: x, members: [a], pod: {template_file: t.yaml}}]",
        "t.yaml": "{}",
    }.items():
        (tmp_path / "..data_1" / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert load_workspaces(tmp_path / "w.yaml").get("a").pod.template_file == "t.yaml"


def test_a_template_and_a_file_of_one_cannot_both_be_meant(write):
    (found,) = faults_of(write("{template_file: team.yaml, template: {kind: Pod}}", team="{}"))
    assert "give one" in found


def test_a_file_is_not_looked_for_where_there_is_no_folder():
    with pytest.raises(ValidationError, match=r"beside workspaces\.yaml only"):
        PodSettings(template_file="team.yaml")


def test_a_variable_stands_in_the_environment_or_in_the_template(tmp_path):
    path = tmp_path / "workspaces.yaml"
    path.write_text(
        dedent("""
        workspaces:
        - name: team
          bucket: x
          members: [ada]
          environment: {TZ: UTC}
          pod: {template: {spec: {containers: [{name: notebook, env: [{name: TZ, value: CET}]}]}}}
        """)
    )
    (found,) = faults_of(path)
    assert "environment.TZ (workspace 'team'): stands in the pod's template too" in found


@pytest.mark.parametrize(
    ("where", "key"),
    [
        ("labels", "aadpodidbinding"),
        ("annotations", "spiffe.io/spiffe-id"),
        ("annotations", "iam.amazonaws.com/role"),
        ("annotations", "eks.amazonaws.com/role-arn"),
        ("annotations", "vault.hashicorp.com/agent-inject"),
        ("annotations", "azure.workload.identity/inject-proxy-sidecar"),
        ("labels", "azure.workload.identity/use"),
    ],
)
def test_no_label_or_annotation_gives_the_pod_another_identity(where, key):
    ((place, message),) = template_faults({"metadata": {where: {key: "x"}}})
    assert place == f"metadata.{where}[{key}]"
    assert "identity or Secrets of somebody else" in message


def test_the_workspace_names_its_domains_beside_the_template(write):
    template = "{metadata: {labels: {example.org/a: b}}}"
    (found,) = faults_of(write(f"{{template: {template}}}"))
    assert "name it under `pod.domains`" in found
    assert load_workspaces(write(f"{{template: {template}, domains: [example.org]}}")).get("team")


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("sidecar.istio.io", "may make a webhook change the pod"),
        ("eks.amazonaws.com", "identity or Secrets of somebody else"),
        ("k8s.v1.cni.cncf.io", "network"),
        ("daybook.dev", "belongs to Daybook"),
        ("a/b", "is not a name"),
    ],
)
def test_a_domain_upon_which_something_is_known_to_act_cannot_be_named(write, domain, message):
    (found,) = faults_of(write(f"{{template: {{metadata: {{labels: {{{domain}/x: y}}}}}}, domains: [{domain}]}}"))
    assert "pod.domains.0" in found
    assert message in found
