import { expect, test } from 'vitest';
import { postgresReason } from './postgres-reason.ts';

test('given that initdb cleans up after a failure, the failure is the reason', () => {
  const said = [
    'running bootstrap script ... 2026-01-01 00:00:00.000 UTC [7] FATAL:  could not open file "/dev/null": Permission denied',
    'child process exited with exit code 1',
    'initdb: removing contents of data directory "/home/database"',
    '',
  ].join('\n');
  expect(postgresReason(said)).toMatch(/FATAL: {2}could not open file "\/dev\/null": Permission denied$/);
  expect(postgresReason('initdb: error: directory "x" exists but is not empty\ninitdb: hint: remove it\n')).toBe(
    'initdb: error: directory "x" exists but is not empty',
  );
});

test('given no such line, the last one is the reason', () => {
  expect(postgresReason('one\ntwo\n\n')).toBe('two');
  expect(postgresReason('')).toBe('');
});
