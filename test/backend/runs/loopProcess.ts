import { runAsProcess } from "../../../src/backend/runs/launch";
import { loopProgram } from "./loopProgram";

void runAsProcess(loopProgram);
