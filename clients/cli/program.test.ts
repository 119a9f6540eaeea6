import { expect, test } from 'vitest';
import { makeProgram } from './program.ts';

const program = makeProgram({ width: Infinity, env: {}, out: () => undefined, err: () => undefined });

test('every command, and every group of them, says what it is for', () => {
  const silent = program.commands.flatMap((command) => [command, ...command.commands]).filter((command) => command.description() === '');
  expect(silent.map((command) => command.name())).toEqual([]);
});

test('help names what is needed, each choice once, and how a file is given', () => {
  const create = program.commands.find((command) => command.name() === 'certs')?.commands.find((command) => command.name() === 'create');
  const said: string[] = [];
  create?.configureOutput({ writeOut: (text) => said.push(text), getOutHelpWidth: () => 1000 }).outputHelp();
  const lines = said.join('').split('\n');
  const lineOf = (flag: string): string | undefined => lines.find((line) => line.trim().startsWith(flag));
  expect(lineOf('--name')).toContain('(needed)');
  expect(lineOf('--csr')).not.toContain('(needed)');
  expect(lineOf('--key-algorithm')?.split('ECDSA-P384')).toHaveLength(2);
  expect(lines).toContain('@FILE instead of a value takes what is in that file, @- what comes from standard input.');
});
