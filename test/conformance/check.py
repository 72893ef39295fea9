#!/usr/bin/env python3
"""Checks recorded Google API traffic against Google's own discovery documents.

    pip install google-api-python-client==2.202.0        (ships the documents; nothing is fetched)
    npm start -- --once --record dist/traffic.jsonl      (`npm run test:real` records a longer one there)
    python3 test/conformance/check.py [--coverage] TRAFFIC.jsonl...

One JSON object per line: {"service": "dns", "method": "POST", "url": "/dns/v1/projects/p/managedZones/z/changes?x=y",
"request": {...} or null, "status": 200, "response": {...} or null}. Services: dns, secretmanager, cloudtasks, cloudscheduler, pubsub, container,
iamcredentials, run, cloudfunctions.

A violation is a request that no method of the API answers, a query parameter or field that does not exist, a value of the wrong type or form, an enum
value that does not exist, an output-only field sent by a client that the API would ignore (reported as a warning), or an error body without Google's
shape. Enums may travel as integers ($alt=json;enum-encoding=int), as the generated clients send them. Exits 1 when there is a violation, or no traffic.
"""
import argparse, base64, collections, json, os, re, sys, urllib.parse

VERSIONS = {"dns": "v1", "secretmanager": "v1", "cloudtasks": "v2", "cloudscheduler": "v1", "pubsub": "v1", "container": "v1", "iamcredentials": "v1", "run": "v2", "cloudfunctions": "v2"}
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")
DURATION = re.compile(r"^-?\d+(\.\d{1,9})?s$")


class Api:
    def __init__(self, service):
        import googleapiclient
        path = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents", f"{service}.{VERSIONS[service]}.json")
        self.doc = json.load(open(path))
        self.schemas = self.doc["schemas"]
        self.methods = []
        self._collect(self.doc)
        # The longest literal path first, so that ":publish" wins over a bare name.
        self.methods.sort(key=lambda m: -len(m[3]["flatPath"]))

    def _collect(self, node):
        for m in node.get("methods", {}).values():
            flat = m.get("flatPath", m["path"])
            m["flatPath"] = flat
            parts = re.split(r"(\{[^}]+\})", self.doc.get("servicePath", "") + flat)
            rx = "".join("[^/:]+" if p.startswith("{") else re.escape(p) for p in parts)
            self.methods.append((m["httpMethod"], re.compile("^/" + rx + "$"), m["id"], m))
        for r in node.get("resources", {}).values():
            self._collect(r)

    def find(self, verb, path):
        return next(((i, m) for v, rx, i, m in self.methods if v == verb and rx.match(path)), (None, None))


def check(value, schema, schemas, where, out, request):
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    bad = lambda msg: out.append(f"{where}: {msg}")
    if value is None:
        return
    if kind == "object":
        if not isinstance(value, dict):
            return bad(f"expected an object, got {type(value).__name__}")
        props, extra = schema.get("properties", {}), schema.get("additionalProperties")
        for k, v in value.items():
            if k in props:
                if request and props[k].get("readOnly") and v not in ("", 0, [], {}, None, False):
                    out.append(f"warning: {where}.{k}: output only, sent by the client")
                check(v, props[k], schemas, f"{where}.{k}", out, request)
            elif extra:
                check(v, extra, schemas, f"{where}[{k!r}]", out, request)
            else:
                bad(f"no field {k!r}")
    elif kind == "array":
        if not isinstance(value, list):
            return bad(f"expected a list, got {type(value).__name__}")
        for i, v in enumerate(value):
            check(v, schema["items"], schemas, f"{where}[{i}]", out, request)
    elif kind == "string":
        fmt = schema.get("format")
        if "enum" in schema:
            if isinstance(value, int) and not isinstance(value, bool):
                return  # an enum number; its names are not numbered in the document
            if value not in schema["enum"]:
                bad(f"{value!r} is none of {schema['enum']}")
        elif fmt in ("int64", "uint64"):
            if isinstance(value, bool) or not re.match(r"^-?\d+$", str(value)):
                bad(f"{value!r} is no {fmt}")
        elif not isinstance(value, str):
            bad(f"expected a string, got {json.dumps(value)[:60]}")
        elif fmt == "google-datetime" and not TIMESTAMP.match(value):
            bad(f"{value!r} is no RFC 3339 time")
        elif fmt == "google-duration" and not DURATION.match(value):
            bad(f"{value!r} is no duration like '3.5s'")
        elif fmt == "byte":
            try:
                base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
            except Exception:
                bad("no base64")
    elif kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            bad(f"expected an integer, got {json.dumps(value)[:60]}")
    elif kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            bad(f"expected a number, got {json.dumps(value)[:60]}")
    elif kind == "boolean":
        if not isinstance(value, bool):
            bad(f"expected true or false, got {json.dumps(value)[:60]}")


def check_call(call, apis):
    out, s = [], call["service"]
    if s not in VERSIONS:
        return None, [f"unknown service {s!r}"]
    api = apis.setdefault(s, None) or apis.__setitem__(s, Api(s)) or apis[s]
    url = urllib.parse.urlsplit(call["url"])
    mid, m = api.find(call["method"], urllib.parse.unquote(url.path))
    if not m:
        return None, [f"{call['method']} {url.path}: no such method in {s} {VERSIONS[s]}"]
    where = f"{mid} ({call['method']} {url.path})"
    known = {**api.doc.get("parameters", {}), **m.get("parameters", {})}
    query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
    for k in query:
        # Generated clients flatten nested messages as a.b; the document has the dotted name.
        if k not in known and k not in ("$alt", "$prettyPrint"):
            out.append(f"{where}: no query parameter {k!r}")
    for k, p in m.get("parameters", {}).items():
        if p.get("location") == "query" and p.get("required") and k not in query:
            out.append(f"{where}: query parameter {k!r} is required")
    req, res = call.get("request"), call.get("response")
    if req not in (None, "", {}) :
        if "request" not in m:
            out.append(f"{where}: takes no body")
        else:
            check(req, m["request"], api.schemas, f"{where} request", out, True)
    status = call["status"]
    if 200 <= status < 300:
        if res not in (None, "") and "response" in m:
            check(res, m["response"], api.schemas, f"{where} response", out, False)
        elif "response" in m and res in (None, "") and status != 204:
            out.append(f"{where}: {status} without the {m['response']['$ref']} it promises")
    else:
        e = res.get("error") if isinstance(res, dict) else None
        if not isinstance(e, dict) or e.get("code") != status or not isinstance(e.get("message"), str):
            out.append(f"{where}: {status} whose body is not {{'error': {{'code': {status}, 'message': …}}}}: {json.dumps(res)[:120]}")
    return mid, out


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--coverage", action="store_true", help="also list each method seen, with its statuses")
    a.add_argument("files", nargs="+")
    o = a.parse_args()
    apis, seen, violations, warnings, n = {}, collections.defaultdict(collections.Counter), collections.Counter(), collections.Counter(), 0
    for f in o.files:
        for line in open(f):
            if not line.strip():
                continue
            n += 1
            call = json.loads(line)
            mid, out = check_call(call, apis)
            if mid:
                seen[mid][call["status"]] += 1
            for v in out:
                v = re.sub(r"\[\d+\]", "[]", v)
                (warnings if v.startswith("warning: ") else violations)[v] += 1
    if o.coverage:
        for mid in sorted(seen):
            print(f"{mid:60} " + ", ".join(f"{s}: {c}" for s, c in sorted(seen[mid].items())))
    for v, c in warnings.most_common(20):
        print(f"{c:6} x {v}")
    for v, c in violations.most_common(50):
        print(f"{c:6} x {v}")
    print(f"{n} calls, {len(seen)} methods, {sum(violations.values())} violations, {sum(warnings.values())} warnings")
    sys.exit(1 if violations or not n else 0)


if __name__ == "__main__":
    main()
