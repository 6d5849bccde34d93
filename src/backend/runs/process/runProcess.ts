/** The entry of a run process, bundled as dist/runProcess.cjs. It is started detached and outlives whoever started it. */
import { program } from "../execution/body";
import { runAsProcess } from "./runAsProcess";

void runAsProcess(program);
