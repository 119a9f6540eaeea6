import type { Target } from './change.ts';
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

/** The targets that take no client of a vendor. */
// Each target has a configuration type of its own, and only the target itself ever sees a value of it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const servers: Readonly<Record<string, Target<any>>> = {
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
