import { join } from 'node:path';
import type { Platform } from '../platform.ts';
import { run, succeed } from './tool.ts';

/** What `openssl verify` and `openssl ocsp` say of files that a client left. */
export function judge(platform: Platform) {
  const ca = join(platform.home, 'ca.pem');
  return {
    verify: (chain: string, leaf: string): Promise<string> => succeed('openssl', ['verify', '-CAfile', ca, '-untrusted', chain, leaf]),
    status: async (chain: string, leaf: string): Promise<string> => {
      const url = `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`;
      const { output } = await run('openssl', ['ocsp', '-issuer', chain, '-cert', leaf, '-url', url, '-CAfile', ca]);
      if (!output.includes('Response verify OK')) throw new Error(output);
      return /: (good|revoked|unknown)/.exec(output)?.[1] ?? output;
    },
  };
}
