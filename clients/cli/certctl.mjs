#!/usr/bin/env node
import { launch } from '../http/launch.mjs';

launch('certctl', new URL('./main.ts', import.meta.url));
