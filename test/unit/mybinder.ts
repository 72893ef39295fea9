import type { ClusterRules, Ingress, Rules } from '../../shared/domain/request.ts';
import { ingress, rules } from './build.ts';

/** mybinder.org's two clusters as they were on 2019-06-06 (jupyterhub/mybinder.org-deploy, commit 738f9c87). */
const of =
  (namespace: string) =>
  (
    name: string,
    hosts: readonly string[],
    [acme, secretName]: readonly [string, string],
  ): Ingress =>
    ingress({
      namespace,
      name,
      className: undefined,
      annotations: { 'kubernetes.io/ingress.class': 'nginx', 'kubernetes.io/tls-acme': acme },
      tls: [{ hosts, secretName }],
      ruleHosts: hosts,
    });

const below = (domain: string, ...names: readonly string[]) =>
  names.map((name) => `${name}.${domain}`);

const prod = of('prod');

export const GKE: readonly Ingress[] = [
  prod('binderhub', ['gke.mybinder.org'], ['true', 'kubelego-tls-binder-prod']),
  prod(
    'jupyterhub',
    ['hub.mybinder.org', 'hub.gke.mybinder.org'],
    ['true', 'kubelego-tls-jupyterhub-prod'],
  ),
  prod('grafana', ['grafana.mybinder.org'], ['true', 'kubelego-tls-grafana']),
  prod('prometheus', ['prometheus.mybinder.org'], ['true', 'kubelego-tls-prometheus']),
  prod('static', ['static.mybinder.org'], ['true', 'kubelego-tls-static']),
  prod('redirector', below('mybinder.org', 'beta', 'docs', 'playground', 'status', 'matomo'), [
    'true',
    'kubelego-tls-redirector',
  ]),
  prod('gcs-proxy', ['archive.analytics.mybinder.org'], ['true', 'kubelego-tls-gcs-proxy']),
  prod('federation-redirect', ['mybinder.org'], ['true', 'kubelego-tls-federation-redirect']),
  prod('matomo', ['mybinder.org'], ['true', 'kubelego-tls-matomo']),
];

const ovh = of('ovh');

export const OVH: readonly Ingress[] = [
  ovh('binderhub', ['binder.mybinder.ovh'], ['false', 'tls-crt']),
  ovh('jupyterhub', ['hub-binder.mybinder.ovh'], ['false', 'tls-crt']),
  ovh('grafana', ['grafana-mybinder.mybinder.ovh'], ['false', 'tls-crt']),
  ovh('prometheus', ['prometheus-mybinder.mybinder.ovh'], ['false', 'tls-crt']),
  ovh('static', ['static-mybinder.mybinder.ovh'], ['true', 'kubelego-tls-static']),
  ovh('redirector', below('mybinder.ovh', 'beta-binder', 'docs-mybinder', 'playground-mybinder'), [
    'true',
    'kubelego-tls-redirector',
  ]),
  ovh('ovh-mybinder-org', ['ovh.mybinder.org'], ['true', 'kubelego-tls-binder-ovh']),
];

const gkeCluster: ClusterRules = {
  name: 'prod',
  ingressClasses: ['nginx'],
  allow: [{ namespaces: ['*'], names: ['mybinder.org'], wildcards: false }],
};
const ovhCluster: ClusterRules = {
  name: 'ovh',
  ingressClasses: ['nginx'],
  allow: [{ namespaces: ['ovh'], names: ['mybinder.ovh', 'ovh.mybinder.org'], wildcards: true }],
};

export const MYBINDER: Rules = rules({
  clusters: [gkeCluster, ovhCluster],
  wildcards: ['mybinder.ovh'],
  certificates: [
    {
      cluster: 'ovh',
      namespace: 'ovh',
      secret: 'tls-crt',
      names: ['*.mybinder.ovh'],
      issuer: undefined,
    },
  ],
});
