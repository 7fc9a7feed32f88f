/* Cards with a picture: the whole one, else the thumbnail of format 0, else any. */
SELECT record_id FROM ABFullSizeImage WHERE length(data) > 0 UNION SELECT record_id FROM ABThumbnailImage WHERE length(data) > 0 ORDER BY 1;
