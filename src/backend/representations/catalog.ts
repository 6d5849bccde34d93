/** Every representation by its file's name. Generated from the folder; a test fails when an entry is missing. */
import type { AnyRepresentation } from "./representation";
import dense from "./dense";
import grouped from "./grouped";
import masked from "./masked";

export const representations: Readonly<Record<string, AnyRepresentation>> = { dense, grouped, masked };
