import { parseArgs } from 'node:util';
import { readConfig } from '../config.ts';
import { estimate, type Estimate } from './cost.ts';
import { templatesOf } from './templates.ts';

const help = `What a month costs, from the resources of the synthesized template.

  npm run cost -- [options]

  --certificates N         valid certificates                    (0)
  --renewals-per-month N   issued by ACME                        (half of the certificates: every 60 days)
  --ocsp-per-month N       questions that no cache answers       (0)
  --api-calls-per-month N  of the control plane                  (0)
  --context JSON           the deployment's own settings, as for cdk deploy -c certctl=…
`;

try {
  const { values } = parseArgs({
    options: {
      certificates: { type: 'string', default: '0' },
      'renewals-per-month': { type: 'string' },
      'ocsp-per-month': { type: 'string', default: '0' },
      'api-calls-per-month': { type: 'string', default: '0' },
      context: { type: 'string', default: '{}' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(help);
  else {
    const certificates = whole('certificates', values.certificates);
    const renewals =
      values['renewals-per-month'] === undefined ? Math.ceil(certificates / 2) : whole('renewals-per-month', values['renewals-per-month']);
    const config = readConfig(values.context);
    const usage = {
      ...{ certificates, renewals },
      ocspRequests: whole('ocsp-per-month', values['ocsp-per-month']),
      apiCalls: whole('api-calls-per-month', values['api-calls-per-month']),
    };
    process.stdout.write(table(estimate(await templatesOf(config), config, usage)));
  }
} catch (error) {
  process.stderr.write(`cost: ${(error as Error).message}\n`);
  process.exitCode = 2;
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new Error(`--${flag} must be a whole number, not "${text}"`);
  return Number(text);
}

function table({ lines, listed, paid }: Estimate): string {
  const dollars = (value: number): string => value.toFixed(2).padStart(9);
  const rows = lines.map((line) => `${line.what.padEnd(34)}${dollars(line.listed)}${dollars(line.paid)}\n`);
  const head = `${'dollars a month'.padEnd(34)}${'at list'.padStart(9)}${'to pay'.padStart(9)}\n`;
  const foot = `${''.padEnd(52, '-')}\n${'sum'.padEnd(34)}${dollars(listed)}${dollars(paid)}\n`;
  return `${head}${rows.join('')}${foot}"to pay" assumes that nothing else in the account uses its monthly allowances.\n`;
}
