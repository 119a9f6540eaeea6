// Does what an order file says and prints the outcomes, unless it kills itself at the step that the order names.
import { readFileSync } from 'node:fs';
import { deploy } from '#connectors/targets/deploy.ts';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import type { HostRules } from '#connectors/targets/target.ts';
import type { Order } from './interrupted.ts';

const { request, rules, secrets, death, account } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Order;
if (account !== undefined && process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(account);
  process.setuid?.(account);
}
const host: HostRules = {
  ...rules,
  secret: async (name) => secrets[name],
  onStep: (step, index) => {
    if (step === death?.step && index === death.index) process.kill(process.pid, 'SIGKILL');
  },
};
const outcomes = request === undefined ? await resumeInterrupted(host) : [await deploy(request, host)];
process.stdout.write(JSON.stringify(outcomes));
