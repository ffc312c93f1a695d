/* SPDX-License-Identifier: MIT */
/* svg.h - a ladder as a drawing inside an HTML page */
#ifndef TOOLS_LAB_SVG_H
#define TOOLS_LAB_SVG_H

#include "../../rawstack/witness/ladder.h"

/*
 * Writes an <svg> element. Colours and fonts come from the page (page.css); what they tell is also
 * told by words and shapes.
 */
void svg_ladder(const struct ladder *l, FILE *out);

#endif
