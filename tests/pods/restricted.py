"""Kubernetes' Pod Security Standards, level `restricted` as of 1.34, control by control, on a pod as it is sent.

After the tables of the Kubernetes documentation ("Pod Security Standards"): every control of `baseline` and of
`restricted`, with the values that Linux pods may have; not a copy of the admission plugin's code.
"""

from collections.abc import Iterator
from typing import Any

VOLUME_KINDS = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
}
SAFE_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}
APPARMOR = {None, "RuntimeDefault", "Localhost"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(pod: dict[str, Any]) -> list[str]:
    """Every control that a pod does not meet, with the field."""
    return [*_of_pod(pod), *(found for container in _containers(pod) for found in _of_container(pod, container))]


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(kind) or ()


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    spec, security = pod["spec"], pod["spec"].get("securityContext") or {}
    yield from (f"host namespaces: spec.{key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in spec.get("volumes") or ():
        yield from (f"volume types: {volume['name']}.{kind}" for kind in volume.keys() - {"name"} - VOLUME_KINDS)
    for sysctl in security.get("sysctls") or ():
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"sysctls: {sysctl['name']}"
    for key, value in (pod["metadata"].get("annotations") or {}).items():
        if "apparmor" in key and value != "runtime/default" and not value.startswith("localhost/"):
            yield f"AppArmor: {key}"
        if "seccomp" in key and value == "unconfined":
            yield f"seccomp: {key}"
    yield from _of_security("spec", security)


def _of_container(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    name, security = container["name"], container.get("securityContext") or {}
    of_pod = pod["spec"].get("securityContext") or {}
    yield from _of_security(name, security)
    if security.get("privileged"):
        yield f"privileged containers: {name}"
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"privilege escalation: {name}"
    if security.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield f"running as non-root: {name}"
    if (security.get("seccompProfile") or of_pod.get("seccompProfile") or {}).get("type") not in SECCOMP:
        yield f"seccomp: {name}"
    if security.get("procMount") not in (None, "Default"):
        yield f"/proc mount type: {name}"
    capabilities = security.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield f"capabilities: {name} drops not all"
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"capabilities: {name} adds"
    yield from (f"host ports: {name}" for port in container.get("ports") or () if port.get("hostPort"))
    yield from _hosts(container)


def _of_security(where: str, security: dict[str, Any]) -> Iterator[str]:
    """The controls that hold for a pod's and for a container's security context alike."""
    if (security.get("windowsOptions") or {}).get("hostProcess"):
        yield f"HostProcess: {where}"
    if security.get("runAsUser") == 0:
        yield f"running as non-root user: {where}"
    if security.get("runAsNonRoot") is False:
        yield f"running as non-root: {where}"
    if (security.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f"seccomp: {where}"
    if (security.get("appArmorProfile") or {}).get("type") not in APPARMOR:
        yield f"AppArmor: {where}"
    selinux = security.get("seLinuxOptions") or {}
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"SELinux: {where}"


def _hosts(container: dict[str, Any]) -> Iterator[str]:
    """Since 1.34: no probe or hook may name another host."""
    handlers = [container.get(probe) or {} for probe in PROBES]
    handlers += list((container.get("lifecycle") or {}).values())
    for handler in handlers:
        if any((handler.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield f"host probes and lifecycle hooks: {container['name']}"
