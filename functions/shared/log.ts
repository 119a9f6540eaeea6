import { Logger } from '@aws-lambda-powertools/logger';

/** Structured JSON lines; no secret and no body of a request is ever handed to it. */
export const log = new Logger({ serviceName: process.env['CERTCTL_FUNCTION'] ?? 'certctl' });
