import { artifacts, type Artifacts } from './artifacts.ts';
import { linkSigner, type LinkSigner } from './signed-link.ts';

/** Objects, and links to them. */
export interface Bucket {
  readonly artifacts: Artifacts;
  readonly link: LinkSigner;
}

export function openBucket(name: string): Bucket {
  return { artifacts: artifacts(name), link: linkSigner(name) };
}
