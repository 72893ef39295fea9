import fc from 'fast-check';
import type { AllowRule } from '../../shared/domain/policy.ts';
import type { ConfiguredCertificate, Ingress } from '../../shared/domain/request.ts';
import { cluster, ingress, type rules } from './build.ts';

/** Few values, so that they meet each other often. */
const few = (...words: readonly [string, ...string[]]) => fc.constantFrom(...words);
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });
const atLeastOne = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 });

/** Names in normal form; some are wildcards, some cover others. */
export const dnsNames: fc.Arbitrary<string> = fc
  .tuple(few('', '*.', 'x.', 'y.', 'z.'), few('a.test', 'b.test', 'deep.a.test'))
  .map(([first, base]) => `${first}${base}`);

const namespaces = few('one', 'two', 'three');
const issuers = few('production', 'production', 'staging');

const allowRules: fc.Arbitrary<AllowRule> = fc.record({
  namespaces: atLeastOne(few('*', 'one', 'two')),
  names: atLeastOne(few('*', 'a.test', 'b.test', 'deep.a.test', 'x.a.test')),
  wildcards: fc.boolean(),
});

const configuredCertificates: fc.Arbitrary<ConfiguredCertificate> = fc.record({
  cluster: few('prod', 'ovh'),
  namespace: namespaces,
  secret: few('tls', 'extra'),
  names: atLeastOne(dnsNames),
  issuer: fc.option(issuers, { nil: undefined }),
});

/** What of a configuration decides about requests, for the clusters `prod` and `ovh`. */
export const someRules: fc.Arbitrary<Partial<ReturnType<typeof rules>>> = fc.record({
  clusters: fc
    .tuple(some(allowRules), some(allowRules))
    .map(([prod, ovh]) => [cluster({ allow: prod }), cluster({ name: 'ovh', allow: ovh })]),
  wildcards: some(few('a.test', 'b.test')),
  certificates: some(configuredCertificates),
});

/** Ingresses that opt in, good and bad ones. */
export const ingresses: fc.Arbitrary<readonly Readonly<{ cluster: string; ingress: Ingress }>[]> =
  fc.array(
    fc.record({
      cluster: few('prod', 'ovh'),
      ingress: fc
        .record({
          namespace: namespaces,
          issuer: issuers,
          tls: atLeastOne(
            fc.record({
              hosts: some(fc.oneof(dnsNames, few('10.0.0.1', 'outside.example', 'a..test'))),
              secretName: few('tls', 'extra', 'more', ''),
            }),
          ),
        })
        .map(({ namespace, issuer, tls }) =>
          ingress({ namespace, tls, annotations: { 'certherd/issuer': issuer } }),
        ),
    }),
    { maxLength: 8 },
  );
