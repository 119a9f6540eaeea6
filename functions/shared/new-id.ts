import { newId as makeId } from '#domain/id.ts';
import { chance } from './chance.ts';

/** A new row's name, by the real clock and dice. */
export function newId(prefix: string): string {
  return makeId(prefix, chance.now(), chance.random(10));
}
