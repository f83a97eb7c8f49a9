#include "kept.h"

/* The part that begins at the walk's base, if any of the list lies there. */
static bool find_part(tp_walk *walk, uint32_t rows) {
    walk->here = (tp_list){walk->left.index, 0};
    if (walk->left.index == NULL) {
        walk->here.count = rows;
        return true;
    }
    const uint32_t end = walk->base + rows;
    while (walk->here.count < walk->left.count && walk->left.index[walk->here.count] < end)
        walk->here.count++;
    return walk->here.count > 0;
}

bool tp_next_part(tp_walk *walk, const tp_geometry *geometry) {
    const uint32_t rows = geometry->out_channels / geometry->groups;
    walk->left.count -= walk->here.count;
    if (walk->left.index != NULL)
        walk->left.index += walk->here.count;
    while (walk->left.count > 0) {
        walk->base += rows;
        if (++walk->group == geometry->groups) {
            walk->group = 0;
            if (++walk->column == geometry->out_width) {
                walk->column = 0;
                walk->row++;
            }
        }
        if (find_part(walk, rows))
            return true;
    }
    return false;
}

bool tp_first_part(tp_walk *walk, const tp_geometry *geometry, tp_list kept) {
    *walk = (tp_walk){.left = kept};
    if (kept.count == 0)
        return false;
    return find_part(walk, geometry->out_channels / geometry->groups) || tp_next_part(walk, geometry);
}
