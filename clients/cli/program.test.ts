import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { completion } from './completion.ts';
import { makeProgram } from './program.ts';

const terminal = { width: Infinity, env: {}, out: () => undefined, err: () => undefined };
const program = makeProgram(terminal);
const childOf = (parent: Command, ...path: string[]): Command | undefined =>
  path.reduce<Command | undefined>((at, name) => at?.commands.find((command) => command.name() === name), parent);

test('every command, and every group of them, says what it is for', () => {
  const silent = program.commands.flatMap((command) => [command, ...command.commands]).filter((command) => command.description() === '');
  expect(silent.map((command) => command.name())).toEqual([]);
});

test('help names what is needed, each choice once, and how a file is given', () => {
  const create = childOf(makeProgram(terminal), 'certs', 'create');
  const said: string[] = [];
  create?.configureOutput({ writeOut: (text) => said.push(text), getOutHelpWidth: () => 1000 }).outputHelp();
  const lines = said.join('').split('\n');
  const lineOf = (flag: string): string | undefined => lines.find((line) => line.trim().startsWith(flag));
  expect(lineOf('--name')).toContain('(needed)');
  expect(lineOf('--csr')).not.toContain('(needed)');
  expect(lineOf('--key-algorithm')?.split('ECDSA-P384')).toHaveLength(2);
  expect(lines).toContain('@FILE instead of a value takes what is in that file, @- what comes from standard input.');
});

test('given a command line, all commands are there, and those of its group are as they are without one; a completion knows the options of all', () => {
  const said = makeProgram(terminal, ['--output', 'json', 'certs', 'create', '--name', 'x']);
  const namesOf = (of: Command): readonly string[] => of.commands.flatMap((command) => [command.name(), ...namesOf(command)]);
  expect(namesOf(said)).toEqual(namesOf(program));
  const help = (of: Command, ...path: string[]): string | undefined => childOf(of, ...path)?.helpInformation();
  expect(help(said, 'certs', 'create')).toBe(help(program, 'certs', 'create'));
  expect(said.helpInformation()).toBe(program.helpInformation());
  expect(completion(makeProgram(terminal, ['completion', 'bash']), 'bash')).toBe(completion(program, 'bash'));
});
