/** Common setup of every test file. */
import { afterAll } from "vitest";
import { removeTemporaryFolders } from "./temporary";

afterAll(removeTemporaryFolders);
