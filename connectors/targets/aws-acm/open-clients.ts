import type { CertificateManager } from './certificate-manager.ts';
import { keyOf, type Session } from './session.ts';

const mostOpened = 32;
const opened = new Map<string, Promise<CertificateManager>>();

/** The client of a session, kept with its credentials until so many others were asked for since. It is loaded with the first who asks: few targets are of this kind. */
export function certificateManager(session: Session): Promise<CertificateManager> {
  const key = keyOf(session);
  const opening = opened.get(key) ?? import('./acm-client.ts').then(({ acmClient }) => acmClient(session));
  opened.delete(key);
  opened.set(key, opening);
  for (const [oldest] of opened) {
    if (opened.size <= mostOpened) break;
    opened.delete(oldest);
  }
  return opening;
}
