#include "proto/records.h"

#define RECORD_DEFINE(name, NAME) RECORD_TYPE(name, NAME##_FIELDS)
RECORD_LIST(RECORD_DEFINE)
