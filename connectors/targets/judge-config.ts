import { parseConfig } from './config.ts';
import { TargetFailure } from './failure.ts';
import { targetOf, targetTypes } from './registry.ts';

/**
 * What is wrong with the configuration of a target, as far as its host need not be asked: the field and what it ought to be, never its value.
 *
 * @returns undefined when nothing is
 */
export function configObjection(type: string, config: object): string | undefined {
  if (!targetTypes().includes(type)) return `type: one of ${targetTypes().join(', ')}`;
  try {
    parseConfig(targetOf(type).config, config);
    return undefined;
  } catch (error) {
    if (error instanceof TargetFailure) return `config: ${error.message}`;
    throw error;
  }
}
