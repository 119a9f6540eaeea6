import { createPublicKey } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { succeed } from '../interop/tool.ts';
import { tenCases, type Subject } from './cases.ts';
import { deployed, holds, makeHome, serves, type Daemon } from './daemon.ts';
import { issued } from './issued.ts';
import { standIn } from './stand-in.ts';

const secrets = { 'keystore-password': 'first secret', 'key-password': 'second secret', wrong: 'quite another' };

// The keystore is keytool's own; what serves it is this process, which reads PKCS12 as Java servers do.
async function startKeystore(): Promise<Subject> {
  const home = makeHome(secrets);
  const keystore = join(home.path, 'tls/keystore.p12');
  return standIn(home, {
    targetType: 'java_keystore',
    config: { keystore_path: keystore, keystore_password: 'keystore-password', alias: 'Server', create_keystore: true },
    keyFiles: [keystore],
    certFiles: [],
    secrets,
    read: () => ({ pfx: readFileSync(keystore), passphrase: secrets['keystore-password'] }),
  });
}

tenCases('a Java keystore', startKeystore);

describe('a Java keystore', () => {
  let running: Daemon | undefined;
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  const started = async (): Promise<{ readonly daemon: Daemon; readonly keystore: string }> => {
    const { daemon } = await startKeystore();
    running = daemon;
    return { daemon, keystore: daemon.keyFiles[0]! };
  };
  const keytool = (...args: readonly string[]): Promise<string> =>
    succeed('keytool', [...args, '-storepass:env', 'STORE'], { STORE: secrets['keystore-password'], KEY: secrets['key-password'] });

  test.each(['PKCS12', 'JKS'])('%s: other entries survive', async (keystore_type) => {
    const { daemon, keystore } = await started();
    const other = [
      '-genkeypair',
      '-alias',
      'other',
      '-keyalg',
      'EC',
      '-dname',
      'CN=other',
      '-keystore',
      keystore,
      '-storetype',
      keystore_type,
    ];
    await keytool(...other, ...(keystore_type === 'JKS' ? ['-keypass:env', 'STORE'] : []));
    const material = issued('rsa');
    const off = { keystore_type, verify: 'off', create_keystore: false };
    expect(await deployed(daemon, material, off)).toMatchObject({ ok: true });
    const listed = await keytool('-list', '-keystore', keystore);
    expect(listed).toContain('other');
    expect(listed.toLowerCase()).toContain('server');
    expect(await deployed(daemon, material, off)).toMatchObject({ ok: true, idempotent: true });
  });

  test.each(['PKCS12', 'JKS'])(
    '%s: a Java that reads no PBES2, where the host has it, gets the key in another form',
    async (keystore_type) => {
      const { daemon, keystore } = await started();
      const old = join(daemon.home, 'old-keytool');
      writeFileSync(
        old,
        '#!/bin/sh\ncase "$*" in *-srcstoretype\\ PKCS12*) echo PBE parameter parsing error; exit 1;; esac\nexec keytool "$@"\n',
        { mode: 0o755 },
      );
      const config = { keystore_type, keytool_path: old, verify: 'off' };
      const material = issued('rsa');
      expect(await deployed(daemon, material, config)).toMatchObject({
        ok: false,
        failureClass: 'validate',
        detail: expect.stringContaining(`this host does not allow the command ["${old}"]`) as string,
      });
      (daemon.rules.allowedCommands as (readonly string[])[]).push([old]);
      expect(await deployed(daemon, material, config)).toMatchObject({ ok: true, idempotent: false });
      expect(await deployed(daemon, material, config)).toMatchObject({ ok: true, idempotent: true });
      // The entry is whole: its key signs, and its chain is there.
      const request = join(daemon.home, 'request.pem');
      await keytool('-certreq', '-alias', 'Server', '-keystore', keystore, '-file', request);
      expect(await succeed('openssl', ['req', '-verify', '-noout', '-pubkey', '-in', request])).toContain(
        createPublicKey(material.leafPem).export({ type: 'spki', format: 'pem' }).toString().trim(),
      );
      const listed = await keytool('-list', '-rfc', '-alias', 'Server', '-keystore', keystore);
      expect(listed.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    },
  );

  test('JKS: a key with a password of its own', async () => {
    const { daemon, keystore } = await started();
    const config = { keystore_type: 'JKS', key_password: 'key-password', verify: 'off' };
    expect(await deployed(daemon, issued(), config)).toMatchObject({ ok: true });
    await keytool('-certreq', '-alias', 'Server', '-keypass:env', 'KEY', '-keystore', keystore);
  });

  test('a wrong password, a missing secret, another type, a keystore that is not there: nothing changes and no password is told', async () => {
    const { daemon, keystore } = await started();
    const first = issued();
    const missing = { create_keystore: false };
    expect(await deployed(daemon, first, missing)).toMatchObject({ ok: false, failureClass: 'validate' });
    expect(await deployed(daemon, first)).toMatchObject({ ok: true });
    const before = readFileSync(keystore);
    for (const overrides of [{ keystore_password: 'wrong' }, { keystore_password: 'absent' }, { keystore_type: 'JKS' }]) {
      const outcome = await deployed(daemon, issued(), overrides);
      expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', steps: [] });
      for (const secret of Object.values(secrets)) expect(outcome.detail).not.toContain(secret);
    }
    expect(readFileSync(keystore)).toEqual(before);
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(await holds(daemon)).toBe(first.fingerprint);
    expect(readdirSync(join(daemon.rules.stateDir, 'work'))).toEqual([]);
  });

  test('what is no keystore is refused and left', async () => {
    const { daemon, keystore } = await started();
    writeFileSync(keystore, 'no');
    expect(await deployed(daemon, issued())).toMatchObject({ ok: false, failureClass: 'validate' });
    expect(readFileSync(keystore, 'utf8')).toBe('no');
  });
});
