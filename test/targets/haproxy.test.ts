import { deploysAndRenews, tenCases } from './cases.ts';
import { startHaproxy } from './haproxy-server.ts';

tenCases('HAProxy', () => startHaproxy());
deploysAndRenews('HAProxy with a folder of certificates', () => startHaproxy('folder'));
