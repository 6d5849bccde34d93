/**
 * The entry point of a run process, bundled as dist/runProcess.cjs. It is started detached and outlives its launcher.
 */
import { program } from "../execution/body";
import { runAsProcess } from "./runAsProcess";

void runAsProcess(program);
