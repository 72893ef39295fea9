"""Speaks to one stand-in with Google's own client library and prints what it was told, as one JSON object.

    google_clients.py SERVICE URL HOOK

HOOK is an HTTP address that tasks, jobs and messages may be sent to.
"""

import base64
import json
import sys

from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

VERSIONS = {
    "dns": "v1",
    "secretmanager": "v1",
    "cloudtasks": "v2",
    "cloudscheduler": "v1",
    "pubsub": "v1",
}
LOCATION = "projects/p/locations/europe-west1"


def outcome(request):
    """The reply, or the refusal as "409 ALREADY_EXISTS"."""
    try:
        reply = request.execute()
        # Methods without a reply hand out the raw bytes.
        return reply.decode() if isinstance(reply, bytes) else reply
    except HttpError as refusal:
        error = json.loads(refusal.content)["error"]
        return f"{error['code']} {error.get('status') or error['errors'][0]['reason']}"


def pages(method, key, next_page=None, **parameters):
    """What each page of a list holds under the key."""
    found, request = [], method.list(**parameters)
    while request:
        reply = request.execute()
        found.append(reply.get(key, []))
        request = (next_page or method.list_next)(request, reply)
    return found


def text(name, *values, ttl=60):
    return {"name": name, "type": "TXT", "ttl": ttl, "rrdatas": [f'"{value}"' for value in values]}


def encoded(value):
    return base64.b64encode(value.encode()).decode()


def dns(api, _hook):
    zones, sets, changes = api.managedZones(), api.resourceRecordSets(), api.changes()
    zone = {"name": "shop", "dnsName": "shop.test.", "description": "a zone"}
    at = {"project": "p", "managedZone": "shop"}

    def change(additions=(), deletions=()):
        body = {"additions": list(additions), "deletions": list(deletions)}
        return outcome(changes.create(body=body, **at))

    def values(name):
        return [
            one["rrdatas"] for one in sets.list(name=name, type="TXT", **at).execute()["rrsets"]
        ]

    owner = "_acme-challenge.shop.test."
    seen = {
        "created": outcome(zones.create(project="p", body=zone)),
        "created again": outcome(zones.create(project="p", body=zone)),
        "record added": change([text(owner, "one")]),
        "record added again": change([text(owner, "two")]),
        "record removed that differs": change(deletions=[text(owner, "two")]),
        "record removed that is absent": change(deletions=[text("none.shop.test.", "one")]),
        "half of a change refused": change([text("b.shop.test.", "b")], [text(owner, "two")]),
        "after the refused change": values("b.shop.test."),
        "record replaced": change([text(owner, "one", "two")], [text(owner, "one")])["status"],
        "after the replacement": values(owner),
        "name outside the zone": change([text("elsewhere.example.", "x")]),
    }
    change([text(f"{n}.shop.test.", str(n)) for n in range(3)])
    seen["pages"] = [len(page) for page in pages(sets, "rrsets", maxResults=4, **at)]
    seen["deleted while in use"] = outcome(zones.delete(**at))
    left = [one for one in sets.list(**at).execute()["rrsets"] if one["type"] == "TXT"]
    change(deletions=left)
    seen["deleted"] = outcome(zones.delete(**at))
    seen["read when absent"] = outcome(zones.get(**at))
    return seen


def secretmanager(api, _hook):
    secrets = api.projects().secrets()
    versions = secrets.versions()
    name = "projects/p/secrets/web"
    body = {"replication": {"automatic": {}}, "labels": {"app": "web"}}

    def create(secret):
        return outcome(secrets.create(parent="projects/p", secretId=secret, body=body))

    def patch(mask, **fields):
        return outcome(secrets.patch(name=name, updateMask=mask, body=fields))

    def add(value, **checks):
        return outcome(
            secrets.addVersion(parent=name, body={"payload": {"data": encoded(value), **checks}})
        )

    def access(version):
        reply = outcome(versions.access(name=f"{name}/versions/{version}"))
        return (
            reply if isinstance(reply, str) else base64.b64decode(reply["payload"]["data"]).decode()
        )

    def turn(verb, version):
        reply = outcome(getattr(versions, verb)(name=f"{name}/versions/{version}", body={}))
        return reply if isinstance(reply, str) else reply["state"]

    seen = {
        "created": create("web"),
        "created again": create("web"),
        "added": [add("first")["name"], add("second")["name"]],
        "added with a wrong checksum": add("third", dataCrc32c="1"),
        "accessed": [access(1), access("latest"), access(9)],
    }
    etag = outcome(secrets.get(name=name))["etag"]
    seen["patched"] = patch("annotations", etag=etag, annotations={"a": "b"})["annotations"]
    seen["patched with an old etag"] = patch("annotations", etag=etag, annotations={"a": "c"})
    seen["alias of a version"] = [
        patch("versionAliases", versionAliases={"current": 1})["versionAliases"],
        access("current"),
    ]
    seen["alias of no version"] = patch("versionAliases", versionAliases={"current": 9})
    seen["disabled"] = [turn("disable", 2), access(2), access("latest")]
    seen["enabled"] = [turn("enable", 2), access(2)]
    seen["destroyed"] = [turn("destroy", 2), access(2), turn("enable", 2)]
    seen["versions"] = [one["state"] for one in pages(versions, "versions", parent=name)[0]]
    for number in range(4):
        create(f"other-{number}")
    seen["pages"] = [
        len(page) for page in pages(secrets, "secrets", parent="projects/p", pageSize=2)
    ]
    filtered = [
        pages(secrets, "secrets", parent="projects/p", filter=f"labels.app={app}")
        for app in ("web", "api")
    ]
    seen["filtered by a label that all have, and none"] = [len(page) for page, *_ in filtered]
    seen["deleted"] = [
        outcome(secrets.delete(name=name)),
        outcome(secrets.get(name=name)),
        add("fourth"),
    ]
    return seen


def cloudtasks(api, hook):
    queues = api.projects().locations().queues()
    tasks = queues.tasks()
    queue = f"{LOCATION}/queues/issue"

    def create(name=None, at=None, url=hook):
        task = {"httpRequest": {"url": url, "body": encoded(name or "unnamed")}}
        task |= {"name": f"{queue}/tasks/{name}"} if name else {}
        task |= {"scheduleTime": at} if at else {}
        return outcome(tasks.create(parent=queue, body={"task": task}))

    far = "2099-01-01T00:00:00Z"
    seen = {
        "queue": outcome(queues.create(parent=LOCATION, body={"name": queue}))["state"],
        "queue again": outcome(queues.create(parent=LOCATION, body={"name": queue})),
        "too far away": create("far", at=far),
        "paused": outcome(queues.pause(name=queue, body={}))["state"],
        "task": create("one")["name"],
        "task again": create("one"),
        "no address": create("two", url="nowhere"),
    }
    for name in ("three", "four"):
        create(name)
    seen["pages"] = [len(page) for page in pages(tasks, "tasks", parent=queue, pageSize=2)]
    seen["deleted"] = outcome(tasks.delete(name=f"{queue}/tasks/one"))
    seen["read when deleted"] = outcome(tasks.get(name=f"{queue}/tasks/one"))
    seen["the name of what is gone"] = create("one")
    seen["run although paused"] = outcome(tasks.run(name=f"{queue}/tasks/three", body={}))["name"]
    seen["resumed"] = outcome(queues.resume(name=queue, body={}))["state"]
    seen["in no queue"] = outcome(tasks.list(parent=f"{LOCATION}/queues/none"))
    return seen


def cloudscheduler(api, hook):
    jobs = api.projects().locations().jobs()
    name = f"{LOCATION}/jobs/tick"

    def create(schedule):
        job = {"name": name, "schedule": schedule, "timeZone": "Etc/UTC"}
        job["httpTarget"] = {"uri": hook, "httpMethod": "POST", "body": encoded("tick")}
        return outcome(jobs.create(parent=LOCATION, body=job))

    def on_job(verb):
        return outcome(getattr(jobs, verb)(name=name, body={}))

    return {
        "no schedule": create("61 * * * *"),
        "created": create("17 * * * *"),
        "created again": create("17 * * * *"),
        "paused": on_job("pause")["state"],
        "resumed": on_job("resume")["state"],
        "run": on_job("run")["name"],
        "patched": outcome(
            jobs.patch(name=name, updateMask="schedule", body={"schedule": "5 4 * * *"})
        )["schedule"],
        "list": [one["name"] for one in pages(jobs, "jobs", parent=LOCATION)[0]],
        "deleted": outcome(jobs.delete(name=name)),
        "read when absent": outcome(jobs.get(name=name)),
        "run when absent": on_job("run"),
    }


def pubsub(api, hook):
    topics, subscriptions = api.projects().topics(), api.projects().subscriptions()
    topic, subscription = "projects/p/topics/versions", "projects/p/subscriptions/sync"
    wanted = {
        "topic": topic,
        "pushConfig": {"pushEndpoint": hook},
        "filter": 'attributes.kind = "wanted"',
    }

    def publish(to, *kinds):
        messages = [{"data": encoded(kind), "attributes": {"kind": kind}} for kind in kinds]
        return outcome(topics.publish(topic=to, body={"messages": messages}))

    seen = {
        "topic": outcome(topics.create(name=topic, body={})),
        "topic again": outcome(topics.create(name=topic, body={})),
        "subscription": outcome(subscriptions.create(name=subscription, body=wanted))["filter"],
        "subscription again": outcome(subscriptions.create(name=subscription, body=wanted)),
        "subscription to no topic": outcome(
            subscriptions.create(
                name=f"{subscription}-2", body={**wanted, "topic": f"{topic}-none"}
            )
        ),
        "bad filter": outcome(
            subscriptions.create(
                name=f"{subscription}-3", body={**wanted, "filter": "kind is wanted"}
            )
        ),
        "published": len(publish(topic, "other", "wanted")["messageIds"]),
        "published to no topic": publish(f"{topic}-none", "wanted"),
        "published nothing": publish(topic),
    }
    for number in range(3):
        topics.create(name=f"{topic}-{number}", body={}).execute()
    seen["pages"] = [
        len(page) for page in pages(topics, "topics", project="projects/p", pageSize=3)
    ]
    seen["no such subscription deleted"] = outcome(
        subscriptions.delete(subscription=f"{subscription}-none")
    )
    seen["deleted"] = [
        outcome(topics.delete(topic=f"{topic}-0")),
        outcome(topics.get(topic=f"{topic}-0")),
    ]
    return seen


def main():
    service, url, hook = sys.argv[1:]
    api = build(
        service,
        VERSIONS[service],
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"{url}/"},
        static_discovery=True,
    )
    json.dump(globals()[service](api, hook), sys.stdout)


if __name__ == "__main__":
    main()
