import type { CertificateManager } from './certificate-manager.ts';

const opened = new Map<string, Promise<CertificateManager>>();

/** The client is loaded with the first who asks: few targets are of this kind. */
export function certificateManager(region: string): Promise<CertificateManager> {
  const known = opened.get(region);
  if (known !== undefined) return known;
  const opening = import('./acm-client.ts').then(({ acmClient }) => acmClient(region));
  opened.set(region, opening);
  return opening;
}
