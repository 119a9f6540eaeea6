import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { pemChain, toPem } from '#domain/x509/pem.ts';
import { host, madeNow, makeLeaf, makeRoot, makeSubordinate } from './made-hierarchy.ts';

const folder = mkdtempSync(join(tmpdir(), 'patterns-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Both our validator and OpenSSL must accept a leaf with the chain that the CA hands out. */
function expectTrusted(leaf: Uint8Array, authority: SigningAuthority): void {
  const [root, ...intermediates] = authority.path;
  const result = validatePath({ certificate: leaf, intermediates, anchors: [root!], options: { at: new Date(madeNow) } });
  expect(result.valid, result.valid ? '' : result.detail).toBe(true);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const args = [
    'verify', '-x509_strict', '-purpose', 'sslserver', '-attime', String(madeNow / 1000),
    '-CAfile', file('root.pem', toPem('CERTIFICATE', root!)),
    '-untrusted', file('chain.pem', pemChain(authority.chain)),
    file('leaf.pem', toPem('CERTIFICATE', leaf)),
  ]; // prettier-ignore
  expect(execFileSync('openssl', args, { encoding: 'utf8' })).toContain(': OK');
}

const exceeded = { code: 'hierarchyViolation', message: expect.stringContaining('path length exceeded') as unknown };

describe('the documented patterns (docs/operator/hierarchies.md)', () => {
  test('A: four levels with a boundary: root 3, policy 2, issuing 1 and 0', async () => {
    const root = await makeRoot({ pathLength: 3 });
    const { authority: boundary, terms } = await makeSubordinate(root, 'Boundary', { permitted: ['corp.example', 'ip:10.0.0.0/8'] });
    expect(terms.pathLength).toBe(2);
    const { authority: regional } = await makeSubordinate(boundary, 'Region', { pathLength: 1, permitted: ['eu.corp.example'] });
    const { authority: issuing, terms: last } = await makeSubordinate(regional, 'Issuing');
    expect(last.pathLength).toBe(0);
    expectTrusted(await makeLeaf(issuing, [host('www.eu.corp.example'), { type: 'ip', value: '10.1.2.3' }]), issuing);
    await expect(makeSubordinate(issuing, 'Fifth')).rejects.toMatchObject(exceeded);
    for (const outside of [host('www.us.corp.example'), { type: 'ip', value: '192.0.2.1' } as const])
      await expect(makeLeaf(issuing, [outside])).rejects.toMatchObject({ code: 'nameConstraintViolation' });
  });

  test('B: three levels with a policy CA: root 2, policy 1 for trading.finco.example, issuing 0', async () => {
    const { authority: policy } = await makeSubordinate(await makeRoot({ pathLength: 2 }), 'Policy', {
      permitted: ['trading.finco.example'],
    });
    const { authority: issuing, terms } = await makeSubordinate(policy, 'Issuing', { pathLength: 0 });
    expect(terms.nameConstraints.permitted).toHaveLength(1);
    expectTrusted(await makeLeaf(issuing, [host('api.trading.finco.example')]), issuing);
    await expect(makeLeaf(issuing, [host('www.finco.example')])).rejects.toMatchObject({ code: 'nameConstraintViolation' });
    await expect(makeSubordinate(policy, 'Wider', { permitted: ['finco.example'] })).rejects.toMatchObject({
      code: 'hierarchyViolation',
    });
  });

  test('C: two levels inside: root 1, issuing 0; a root of 0 has no CA below it', async () => {
    const { authority: issuing, terms } = await makeSubordinate(await makeRoot({ pathLength: 1 }), 'Issuing');
    expect(terms.pathLength).toBe(0);
    expectTrusted(await makeLeaf(issuing, [host('www.internal.example')]), issuing);
    await expect(makeSubordinate(await makeRoot({ pathLength: 0 }), 'Issuing')).rejects.toMatchObject(exceeded);
  });

  test('D: a CA for a plant’s addresses alone names no host', async () => {
    const { authority } = await makeSubordinate(await makeRoot({ pathLength: 1 }), 'Cell', {
      permitted: ['ip:10.20.0.0/16'],
      excluded: ['dns:'],
    });
    expectTrusted(await makeLeaf(authority, [{ type: 'ip', value: '10.20.3.4' }]), authority);
    await expect(makeLeaf(authority, [{ type: 'ip', value: '10.20.3.4' }, host('plant.example')])).rejects.toMatchObject({
      code: 'nameConstraintViolation',
    });
  });
});
