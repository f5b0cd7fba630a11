/*
 * One story: ten peers keep a node's data, the node dies, three peers lie, the node recovers.
 */
#ifndef ROUND_H
#define ROUND_H

#include "chance.h"
#include "stage.h"
#include "verdict.h"

/* Works in the current folder, which is empty. False, with the reason printed, if the demo could
 * not run to its end. */
bool round_run(struct stage *stage, struct chance *chance, struct verdict *verdict);

#endif
