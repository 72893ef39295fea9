import { hash } from 'node:crypto';
import type { ServedHost } from './front-server.ts';
import type { KeyPair } from './virtual-hosts.ts';

/** The host that answers with the generation of the configuration that nginx runs on. */
export const GENERATION_HOST = 'generation.invalid';

/** The name of a pair's files without their endings: of its content, so that a file never changes. */
export const pairFile = ({ certificate, key }: KeyPair) => hash('sha256', `${certificate}${key}`);

/**
 * The whole nginx.conf; every path in it is relative to its own folder. There is no `user`: the master
 * alone reads keys, so that under root the worker stays an unprivileged user who cannot enter the folder.
 */
export function nginxConfig({
  port,
  generation,
  fallback,
  hosts,
}: Readonly<{
  port: number;
  generation: number;
  fallback: KeyPair;
  hosts: readonly ServedHost[];
}>): string {
  const generationHost = { host: GENERATION_HOST, pair: fallback };
  return `worker_processes 1;
worker_shutdown_timeout 10s;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off;
  server_tokens off;
  default_type text/plain;
  client_max_body_size 1k;
  client_body_temp_path temp;
  proxy_temp_path temp;
  fastcgi_temp_path temp;
  uwsgi_temp_path temp;
  scgi_temp_path temp;
  server_names_hash_bucket_size 512;
  server_names_hash_max_size 65536;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_tickets off;
${serverBlock({ listen: `127.0.0.1:${port} ssl default_server`, names: '""', pair: fallback, text: 'no such host' })}
${serverBlock({ ...nameOf(generationHost, port), text: String(generation) })}
${hosts.map((served) => serverBlock({ ...nameOf(served, port), text: textOf(served) })).join('\n')}
}
`;
}

type Block = Readonly<{ listen: string; names: string; pair: KeyPair; text: string }>;

const serverBlock = ({ listen, names, pair, text }: Block) => `  server {
    listen ${listen};
    server_name ${names};
    ssl_certificate pairs/${pairFile(pair)}.crt;
    ssl_certificate_key pairs/${pairFile(pair)}.key;
    location / { return 200 "${text}\\n"; }
  }`;

// nginx's own *.a.test also takes x.y.a.test, which neither an Ingress nor a certificate means by it.
const nameOf = ({ host, pair }: ServedHost, port: number) => ({
  listen: `127.0.0.1:${port} ssl`,
  names: host.startsWith('*.')
    ? `"~^[^.]+${host.slice(1).replaceAll('.', String.raw`\.`)}$"`
    : host,
  pair,
});

const textOf = ({ host, pair }: ServedHost) => `host: ${host}\\nserial: ${pair.leaf.serialNumber}`;
