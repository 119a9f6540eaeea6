import { UsageError } from '../http/usage-error.ts';

/**
 * What HTTPS_PROXY and NO_PROXY of an environment say, as Node takes it: it passes over in silence what has no scheme, which curl and others take for http.
 *
 * @throws {UsageError} for a proxy of another kind, such as SOCKS
 */
export function proxyOf(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const variable = (name: string): string | undefined =>
    [environment[name.toLowerCase()], environment[name]].find((value) => value !== undefined && value !== '');
  const said = variable('HTTPS_PROXY');
  if (said === undefined) return {};
  const url = said.includes('://') ? said : `http://${said}`;
  // Not repeated: a password may stand in it.
  if (!URL.canParse(url) || !/^https?:\/\/[^/]/.test(url))
    throw new UsageError('HTTPS_PROXY is not the URL of a proxy, such as http://proxy.example.com:3128');
  const direct = variable('NO_PROXY');
  return { HTTPS_PROXY: url, ...(direct !== undefined && { NO_PROXY: direct }) };
}
