/** What every test file does besides its own. */
import { afterAll } from "vitest";
import { removeTemporary } from "./temporary";

afterAll(removeTemporary);
