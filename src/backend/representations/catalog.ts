/** Every representation by its file's name. Written by `npm run generate`. */
import type { AnyRepresentation } from "./representation";
import dense from "./dense";
import grouped from "./grouped";
import masked from "./masked";

export const representations: Readonly<Record<string, AnyRepresentation>> = { dense, grouped, masked };
