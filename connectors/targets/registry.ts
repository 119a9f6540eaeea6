import type { Target } from './change.ts';
import { TargetFailure } from './failure.ts';
import { apache } from './apache/apache.ts';
import { caddy } from './caddy/caddy.ts';
import { dovecot } from './dovecot/dovecot.ts';
import { envoy } from './envoy/envoy.ts';
import { haproxy } from './haproxy/haproxy.ts';
import { javaKeystore } from './java-keystore/java-keystore.ts';
import { nginx } from './nginx/nginx.ts';
import { postfix } from './postfix/postfix.ts';
import { ssh } from './ssh/ssh.ts';
import { traefik } from './traefik/traefik.ts';

// Each target has a configuration type of its own, and only the target itself ever sees a value of it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const targets: Readonly<Record<string, Target<any>>> = {
  apache,
  caddy,
  dovecot,
  envoy,
  haproxy,
  java_keystore: javaKeystore,
  nginx,
  postfix,
  ssh,
  traefik,
};

/** The kinds of target that this build can drive. */
export function targetTypes(): readonly string[] {
  return Object.keys(targets).sort();
}

/** The target of a kind. @throws {TargetFailure} `connector` when this build has none */
export function targetOf(targetType: string): Target<unknown> {
  const target = Object.hasOwn(targets, targetType) ? targets[targetType] : undefined;
  if (target === undefined) throw new TargetFailure('connector', 'this host cannot drive targets of this type');
  return target as Target<unknown>;
}
