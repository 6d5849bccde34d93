/** Every command of the extension by its file's name. Written by `npm run generate`. */
import type { Command } from "../command";
import restartService from "./restartService";
import showLog from "./showLog";

export const commands: Readonly<Record<string, Command>> = { restartService, showLog };
