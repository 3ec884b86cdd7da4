// Open MPI's constants are macros with casts, which Swift can't import; these getters can.
#ifndef DTRAIN_CMPI_H
#define DTRAIN_CMPI_H
#include <mpi.h>

static inline MPI_Comm dtrain_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm dtrain_mpi_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info dtrain_mpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype dtrain_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype dtrain_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Op dtrain_mpi_sum(void) { return MPI_SUM; }
static inline int dtrain_mpi_comm_type_shared(void) { return MPI_COMM_TYPE_SHARED; }
static inline MPI_Win dtrain_mpi_win_null(void) { return MPI_WIN_NULL; }
static inline MPI_Request dtrain_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline void *dtrain_mpi_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Status *dtrain_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *dtrain_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Errhandler dtrain_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }

#endif
