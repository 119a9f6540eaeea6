import { tenCases } from './cases.ts';
import { startHaproxy } from './haproxy-server.ts';

tenCases('HAProxy', () => startHaproxy());
tenCases('HAProxy with a folder of certificates', () => startHaproxy('folder'));
