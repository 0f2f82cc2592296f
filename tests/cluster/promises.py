"""What compose.yaml promises of each container, asked of the engine."""

SECRETS = {"jwt", "kms", "database", "redis"}
WRITES = {"secrets": SECRETS, "demo": {"demo"}, "postgres": {"postgres-data"}, "redis": {"redis-data"}}
READS = {"demo": {"jwt"}, "gateway": {"jwt", "redis"}, "retriever": {"database"}, "generator": {"kms"},
         "postgres": {"database"}, "redis": {"redis"}}
NETWORKS = {"nginx": {"front"}, "gateway": {"front", "lanes", "cache"}, "embedder": {"lanes"},
            "retriever": {"lanes", "store"}, "generator": {"lanes"}, "postgres": {"store"}, "redis": {"cache"},
            "demo": {"front"}, "secrets": {"none"}}
RESTARTS = {"secrets": "no", "demo": "on-failure"}  # the others: unless they were stopped
PUBLISHED = {"nginx"}


def service_of(container):
    return container["Config"]["Labels"]["com.docker.compose.service"]


def health_of(container):
    return container["State"].get("Health", {}).get("Status")


def mounted(container, project, writable):
    """The project's volumes that it may, or may not, write; anything else that is mounted as it is called."""
    return {mount.get("Name", mount["Source"]).removeprefix(f"{project}_")
            for mount in container["Mounts"] if mount["RW"] == writable}


def promises(container, project):
    """A line each: what, what is so, what should be so."""
    service, host, config = service_of(container), container["HostConfig"], container["Config"]
    networks = {name.removeprefix(f"{project}_") for name in container["NetworkSettings"]["Networks"]}
    return [
        ("user", config["User"], "millrace"),
        ("read-only", host["ReadonlyRootfs"], True),
        ("privileged", host["Privileged"], False),
        ("capabilities", (host["CapDrop"], host["CapAdd"]), (["ALL"], None)),
        ("new privileges", "no-new-privileges:true" in host["SecurityOpt"], True),
        ("memory", host["Memory"] > 0, True),
        ("processes", 0 < (host["PidsLimit"] or 0) <= 1024, True),
        ("restart", host["RestartPolicy"]["Name"], RESTARTS.get(service, "unless-stopped")),
        ("log", {*host["LogConfig"]["Config"]}, {"max-size", "max-file"}),
        ("ports", bool(host["PortBindings"]), service in PUBLISHED),
        ("health", health_of(container), None if service in RESTARTS else "healthy"),
        ("writes", mounted(container, project, True), WRITES.get(service, set())),
        ("reads", mounted(container, project, False), READS.get(service, set())),
        ("networks", networks, NETWORKS[service]),
    ]


def are_settled(containers):
    """Whether every health check has said something."""
    return all(health_of(container) != "starting" for container in containers)


def broken(containers, project):
    """Promises that are not kept, and services that are not there."""
    wrong = [f"{service_of(container)}: {what} is {so}, not {should}"
             for container in containers for what, so, should in promises(container, project) if so != should]
    missing = NETWORKS.keys() - {service_of(container) for container in containers}
    return wrong + [f"{service}: no container" for service in sorted(missing)]
