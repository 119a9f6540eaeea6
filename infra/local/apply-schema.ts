import { loadFunction } from './copy/runtime.ts';
import type { PlannedFunction } from './plan.ts';

/** What a child process is asked to do: let the function for the schema apply it, and nothing else. */
export interface SchemaTask {
  readonly spec: PlannedFunction;
  readonly environment: Readonly<Record<string, string>>;
}

if (import.meta.main) {
  process.once('message', ({ spec, environment }: SchemaTask) => {
    loadFunction(spec, environment)
      .invoke({ action: 'apply' })
      .then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(JSON.stringify({ level: 'ERROR', message: 'the schema was not applied beforehand', error: String(error) }));
          process.exit(1);
        },
      );
  });
}
