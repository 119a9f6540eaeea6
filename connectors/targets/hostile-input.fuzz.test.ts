import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { issued } from '../../test/targets/issued.ts';
import { deploy } from './deploy.ts';
import { safeDetail } from './failure.ts';
import { readMaterial } from './material.ts';
import { targetTypes } from './registry.ts';
import { resumeInterrupted } from './resume.ts';
import type { HostRules } from './target.ts';

const home = mkdtempSync(join(tmpdir(), 'certctl-hostile-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const rules: HostRules = {
  allowedPaths: [],
  allowedCommands: [],
  stateDir: join(home, 'state'),
  backupRetention: 3,
  secret: async () => undefined,
};
const { leafPem, chainPem, privateKeyPem } = issued();

describe('whatever comes from outside', () => {
  test('any configuration ends in an outcome, and none that the host does not allow gets further than its validation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...targetTypes()), fc.jsonValue({ maxDepth: 3 }), async (targetType, config) => {
        const request = { certificateId: 'c', versionId: 'v', targetId: 't', targetType, config, leafPem, chainPem, privateKeyPem };
        expect(await deploy(request, rules)).toMatchObject({ ok: false, failureClass: 'validate' });
      }),
      { numRuns: 300 },
    );
  });

  test('any broken material is refused with a class and without its words', () => {
    fc.assert(
      fc.property(fc.constantFrom('leaf', 'chain', 'key'), mutatedBytes(Buffer.from(leafPem + privateKeyPem)), (part, bytes) => {
        const text = bytes.toString('latin1');
        const material = { leaf: leafPem, chain: chainPem, key: privateKeyPem, [part]: text };
        try {
          readMaterial(material.leaf, material.chain, material.key, new Date());
        } catch (error) {
          expect(error).toMatchObject({
            name: 'TargetFailure',
            failureClass: expect.stringMatching(/^(validate|key_mismatch)$/) as string,
          });
          expect((error as Error).message.length).toBeLessThan(120);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('any journal is concluded or told of, and none is obeyed beyond what the host allows', async () => {
    const line = JSON.stringify({
      certificateId: 'c',
      versionId: 'v',
      targetId: 't',
      targetType: 'nginx',
      config: { pem_path: '/etc/hostname', verify: 'off' },
      expected: { fingerprint: 'f', chainFingerprints: [], keyType: 'ec' },
      record: [],
    });
    mkdirSync(join(rules.stateDir, 'journal'), { recursive: true });
    await fc.assert(
      fc.asyncProperty(mutatedBytes(Buffer.from(`${line}\n{"step":"commit"}\n`)), async (bytes) => {
        writeFileSync(join(rules.stateDir, 'journal/t.journal'), bytes);
        for (const outcome of await resumeInterrupted(rules)) expect(outcome).toMatchObject({ ok: false, failureClass: 'rollback_failed' });
      }),
      { numRuns: 200 },
    );
  });
});

test('no private key and no secret leaves in a detail', () => {
  const said = safeDetail(`before ${privateKeyPem} between hunter2 after\u0007`, ['hunter2']);
  expect(said).toBe('before [private key]\n between [secret] after ');
  expect(safeDetail(`cut ${privateKeyPem.slice(0, 90)}`)).toBe('cut [private key]');
  expect(safeDetail('x'.repeat(5000))).toHaveLength(2000);
});
