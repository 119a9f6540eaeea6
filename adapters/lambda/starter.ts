import { CaError } from '#domain/error.ts';

/**
 * Starts functions without waiting for their end. Few ask for it: Lambda's client is loaded with the first who does.
 *
 * @param names the function's name in the tree → its name in the cloud
 * @throws {CaError} `internal` for a function that is not among them
 */
export function starter(names: Readonly<Record<string, string>>): (functionName: string, event: object) => Promise<void> {
  let sender: Promise<(functionName: string, event: object) => Promise<void>> | undefined;
  const load = async (): Promise<(functionName: string, event: object) => Promise<void>> => (await import('./send-event.ts')).eventSender();
  return async (functionName, event) => {
    const known = names[functionName];
    if (known === undefined) throw new CaError('internal', `no function ${functionName}`);
    await (
      await (sender ??= load())
    )(known, event);
  };
}
